#!/bin/sh
# Compiles requirements/*.txt from pyproject.toml: versions and hashes, no download addresses. usage: lock.sh UV
set -eu
uv=$1
lock() {
    out=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command 'make lock' "$@" --output-file "requirements/$out"
}
lock bootstrap.txt --group bootstrap
lock build.txt --group build
lock compile.txt --group compile
lock fuzz.txt --group fuzz
lock operator.txt pyproject.toml --extra operator
lock gateway.txt pyproject.toml --extra gateway
lock dev.txt pyproject.toml --extra operator --extra gateway --extra cli --group dev
