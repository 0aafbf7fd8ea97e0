#!/bin/sh
# Renew requirements-dev.lock from pyproject.toml (needs uv): make lock
set -eu
cd "$(dirname "$0")/.."
uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
  --generate-hashes --all-extras --group dev --custom-compile-command "make lock" \
  --output-file requirements-dev.lock pyproject.toml "$@"
