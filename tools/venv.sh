#!/bin/sh
# Builds or grows .venv from the lock files: tools/venv.sh PYTHON LOCK...   (called by the Makefile)
#
# Everything comes with hashes from requirements/LOCK.txt; then Scrimp itself, editable. The locks are
# whole, so pip looks for no dependencies: those that the package with the weights declares (torch)
# are not wanted. A run that cannot even begin ends with one line that says what to do, and leaves no
# half-made .venv behind.
set -eu

python=$1
shift
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

stop() {
    echo "scrimp: $*" >&2
    exit 1
}

make_venv() {
    command -v "$python" >/dev/null 2>&1 ||
        stop "no '$python' here; Scrimp needs Python 3.11 or newer (choose one: make PYTHON=/path/to/python3.12 ...)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        stop "'$python' is $("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'), Scrimp needs Python 3.11 or newer (choose one: make PYTHON=python3.12 ...)"
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        stop "'$python' cannot build environments (no ensurepip); on Debian and Ubuntu: sudo apt install python3-venv"
    trap 'rm -rf .venv' EXIT
    trap 'exit 130' INT TERM
    "$python" -m venv --clear .venv || stop "'$python -m venv .venv' failed (its own words are above)"
    trap - EXIT INT TERM
}

# An environment that lost its interpreter (upgraded system, moved folder) is made anew.
.venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 &&
    [ "$(.venv/bin/python -c 'import sys; print(sys.prefix)')" = "$(pwd -P)/.venv" ] ||
    make_venv

files=""
for lock in "$@"; do
    files="$files -r requirements/$lock.txt"
done
# shellcheck disable=SC2086  # one word per lock is meant
count=$(cd requirements && cat $(printf '%s.txt ' "$@") | grep -c '==')
echo "scrimp: installing $count packages into .venv (about a minute the first time) ..."
# shellcheck disable=SC2086
.venv/bin/python -m pip install --quiet --no-deps --require-hashes $files ||
    stop "installing failed (pip's own words are above); run the same command again to go on"
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable . ||
    stop "installing Scrimp itself failed (pip's own words are above)"
.venv/bin/python -m compileall -q src ||  # as pip does with what it copies: the first start is quick, too
    stop "compiling Scrimp failed (Python's own words are above)"
for lock in "$@"; do
    touch ".venv/.installed-$lock"
done
