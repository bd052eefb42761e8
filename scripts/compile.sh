#!/bin/sh
# Compile all code ahead. Who runs Kvitt may not write beside it, so Python would compile all of it
# anew in each process: three times as long until a web server answers or a command begins.
set -eu
cd "$(dirname "$0")/.."
exec .venv/bin/python -m compileall -q -j 0 .venv/lib manage.py billing catalog customers dunning portal
