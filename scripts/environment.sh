# shellcheck shell=bash
# Sourced by demo.sh and test.sh: makes .venv in the repository and installs requirement files into it.
# PYTHON is the interpreter that makes the environment (default: the first of python3, python3.13, python3.12 and
# python3.11 that is new enough).

REPOSITORY="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$REPOSITORY/.venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  local candidate candidates=(python3 python3.13 python3.12 python3.11)
  if [[ -n "${PYTHON:-}" ]]; then candidates=("$PYTHON"); fi
  for candidate in "${candidates[@]}"; do
    if new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  echo "saticl needs Python 3.11 or newer; set PYTHON to one, e.g. PYTHON=/usr/bin/python3.11 $0" >&2
  return 1
}

# make_environment FILE...: installs requirement files; does nothing if they have not changed since the last time.
make_environment() {
  local python file arguments=(-c "$REPOSITORY/constraints.txt") stamp hash
  if ! new_enough "$VENV/bin/python"; then
    python="$(find_python)"
    echo "Making $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
  fi
  for file in "$@"; do arguments+=(-r "$REPOSITORY/$file"); done
  stamp="$VENV/.installed-$(echo "$*" | tr -c 'a-z\n' '-')"
  hash="$(cd "$REPOSITORY" && cat "$@" constraints.txt | cksum)"
  if [[ "$(cat "$stamp" 2>/dev/null)" != "$hash" ]]; then
    echo "Installing $* (the first time takes a few minutes and about 7 GB)"
    "$VENV/bin/python" -m pip install --quiet "${arguments[@]}"
    echo "$hash" >"$stamp"
  fi
}
