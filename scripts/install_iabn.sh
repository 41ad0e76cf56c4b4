#!/usr/bin/env bash
# Compiles In-Place ABN for the installed torch. Only --model.norm iabn and iabn_sync need it (--model.norm abn computes
# the same in plain torch). Takes about 70 seconds per GPU generation on two cores.
#
#   ./scripts/install_iabn.sh
#
# It is installed into the active environment, or into ./.venv if none is active. A C++ compiler is needed. If torch has
# CUDA, nvcc comes from the package registry; set CUDA_HOME to use an installed toolkit instead. TORCH_CUDA_ARCH_LIST
# says for which GPUs to compile (default: the visible GPU, or "8.0;9.0+PTX" without one: A100 and everything newer).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python="${VIRTUAL_ENV:-$PWD/.venv}/bin/python"
[ -x "$python" ] || python="$(command -v python3)"
pip=("$python" -m pip --disable-pip-version-check install --quiet)

if "$python" -c "import torch, inplace_abn" 2>/dev/null; then
  echo "In-Place ABN is already installed."
  exit 0
fi
if ! "$python" -c "import torch" 2>/dev/null; then
  echo "$python has no torch: install requirements.txt first (./scripts/test.sh and ./scripts/demo.sh do)." >&2
  exit 1
fi

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
torch_cuda="$("$python" -c "import torch; print(torch.version.cuda or '')")"

# 1. The tools that compile: everything in the list except the package itself; the CUDA compiler only if torch has CUDA.
tools="^(inplace-abn"
if [ -z "$torch_cuda" ] || [ -n "${CUDA_HOME:-}" ]; then tools+="|cuda-toolkit"; fi
grep -vE "$tools)" requirements-iabn.txt > "$scratch/tools.txt"
"${pip[@]}" -r "$scratch/tools.txt"

# 2. Where the CUDA compiler and its runtime are. Wheels carry libcudart.so.13 only; the linker looks for libcudart.so.
if [ -n "$torch_cuda" ]; then
  if [ -z "${CUDA_HOME:-}" ]; then
    purelib="$("$python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")"
    export CUDA_HOME="$purelib/nvidia/cu${torch_cuda%%.*}"
    runtimes=("$CUDA_HOME"/lib/libcudart.so.*)
    ln -s "${runtimes[0]}" "$scratch/libcudart.so"
    export LIBRARY_PATH="$scratch${LIBRARY_PATH:+:$LIBRARY_PATH}"
  fi
  if [ ! -x "$CUDA_HOME/bin/nvcc" ]; then
    echo "There is no $CUDA_HOME/bin/nvcc: unset CUDA_HOME to use the compiler from the package registry." >&2
    exit 1
  fi
  if [ -z "${TORCH_CUDA_ARCH_LIST:-}" ]; then
    TORCH_CUDA_ARCH_LIST="$("$python" -c "
import torch
print('.'.join(map(str, torch.cuda.get_device_capability())) if torch.cuda.is_available() else '8.0;9.0+PTX')")"
  fi
  export TORCH_CUDA_ARCH_LIST
  echo "Compiling In-Place ABN for GPUs of capability $TORCH_CUDA_ARCH_LIST; about a minute for each."
fi

# 3. Compile, without build isolation, because the build needs torch; the environment's ninja comes first on PATH.
PATH="$(dirname "$python"):$PATH" "${pip[@]}" --no-deps --no-build-isolation "$(grep '^inplace-abn' requirements-iabn.txt)"
"$python" -c "
import torch, inplace_abn
inplace_abn.InPlaceABN(2)(torch.randn(2, 2, 4, 4)).sum().backward()"
echo "In-Place ABN works: --model.norm iabn and iabn_sync can be chosen."
