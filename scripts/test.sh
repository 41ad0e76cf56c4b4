#!/usr/bin/env bash
# Linters, type checker and tests. Arguments go to pytest: scripts/test.sh -k windows, scripts/test.sh -m "not slow".
# Tests run in random order; what pytest prints first repeats it: scripts/test.sh --randomly-seed=123.
#
# scripts/test.sh --mutants [--sample N] [--seed S] [ROOM_OR_MODULE...] runs no checks; it changes the package in small
# ways, one at a time, and tells which changes no test notices (scripts/mutants.py). Takes from minutes to hours.
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

# Two test processes share the cores; more threads in each only get in each other's way.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# Tests use no network; offline, the model hub says so at once instead of trying again and again.
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
step pytest -n 2 "$@"
