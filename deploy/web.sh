#!/bin/sh
# The web server: pages' assets first, then gunicorn. KVITT_WEB_WORKERS: about two for each core.
set -eu
cd "$(dirname "$0")/.."
python manage.py collectstatic --noinput --verbosity 0
exec gunicorn billing.wsgi --bind "${KVITT_BIND:-0.0.0.0:8000}" \
    --workers "${KVITT_WEB_WORKERS:-2}" --max-requests 2000 --max-requests-jitter 200
