#!/bin/sh
# The web server. `make static`, or the image, has collected the pages' assets before.
set -eu
cd "$(dirname "$0")/.."
if [ "${KVITT_ENV:-}" = production ] && [ ! -e .static/staticfiles.json ]; then
    echo "kvitt: the pages' assets are not there. Run: make -C $PWD static" >&2
    exit 1
fi
exec gunicorn --config deploy/gunicorn.conf.py billing.wsgi
