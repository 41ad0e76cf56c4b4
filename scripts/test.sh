#!/usr/bin/env bash
# Linters, type checker and tests. Arguments go to pytest: scripts/test.sh -k windows, scripts/test.sh -m "not slow".
# scripts/test.sh --slow also runs the tests marked as exhaustive: every preset, every decoder with every family.
# Tests run in random order. The seed that pytest prints first repeats an order: scripts/test.sh --randomly-seed=123.
#
# scripts/test.sh --mutants [--sample N] [--seed S] [ROOM_OR_MODULE...] runs no checks. It makes small changes in a copy
# of the package, one at a time, and shows the changes that no test notices (scripts/mutants.py). Takes minutes to hours.
set -euo pipefail

# shellcheck source=scripts/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd "$REPOSITORY"
if [[ "${1:-}" == --mutants ]]; then
  shift
  make_environment requirements.txt requirements-dev.txt requirements-mutants.txt
  export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
  exec nice -n 10 "$VENV/bin/python" scripts/mutants.py "$@"
fi
make_environment requirements.txt requirements-dev.txt

# Two test processes share the cores; more threads in each would only slow them down.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# Tests use no network. With this setting the model hub fails immediately and does not try again and again.
export HF_HUB_OFFLINE=1
PATH="$VENV/bin:$PATH"

step() {
  echo "--- $*"
  "$@"
}

step ruff format --check .
step ruff check .
step mypy
step shellcheck -x scripts/*.sh .ci/run
# Of many alike cases a part is enough, unless all are asked for. A -m of the caller's wins.
selection=(-m "not exhaustive")
if [[ "${1:-}" == --slow ]]; then
  shift
  selection=()
fi
step pytest -n 2 "${selection[@]}" "$@"
