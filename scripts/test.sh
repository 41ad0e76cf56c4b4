#!/usr/bin/env bash
# Linters, type checker and tests. Arguments go to pytest: scripts/test.sh -k windows, scripts/test.sh -m "not slow".
set -euo pipefail

# shellcheck source=scripts/environment.sh
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd "$REPOSITORY"
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
