#!/bin/sh
# Renew the lock files from pyproject.toml (needs uv): make lock
set -eu
cd "$(dirname "$0")/.."
uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
  --generate-hashes --all-extras --group dev --custom-compile-command "make lock" \
  --output-file requirements-dev.lock pyproject.toml "$@"
# What the container image installs: the package with every schema language, the faster loop and --otlp.
uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
  --generate-hashes --extra fast --extra json --extra otel --extra protobuf --custom-compile-command "make lock" \
  --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml
# What drives the browser of the console's tests, beside what all tests need.
uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
  --generate-hashes --group console --custom-compile-command "make lock" \
  --constraint requirements-dev.lock --output-file tests/console/requirements.lock "$@"
# What makes the documentation site and the bill of materials, in an environment of its own.
uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
  --generate-hashes --group site --custom-compile-command "make lock" \
  --output-file tools/site/requirements.lock "$@"
# Tutor, whose real configuration the tests of our plugin look at, in an environment of its own.
uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
  --generate-hashes --custom-compile-command "make lock" \
  --output-file tests/devstack/tutor.lock tests/devstack/tutor.in "$@"
# The applications in Python that the bus is tried with, each in what pip puts beside it.
uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
  --generate-hashes --custom-compile-command "make lock" \
  --output-file tests/clients/apps/requirements.lock tests/clients/apps/requirements.in "$@"
# The oldest that the package allows beside it, with the tools of today: CI runs the tests with them, too. The clients'
# tests need newer ones of some.
mkdir -p build
uv pip compile --resolution lowest-direct --no-deps --python-version 3.12 --all-extras --quiet pyproject.toml |
  grep -vE '^(confluent-kafka|cryptography|pytest|pytest-asyncio)==' > build/oldest.txt
uv pip compile --python-version 3.12 --no-emit-index-url --no-emit-find-links --generate-hashes --all-extras \
  --group dev --custom-compile-command "make lock" --constraint build/oldest.txt --output-file tests/oldest.lock \
  pyproject.toml "$@"
