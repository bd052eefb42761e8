# One image for the web server, the worker and every command; see compose.yaml and
# docs/operations.md. The database is not in it.
FROM python:3.13-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH="/srv/kvitt/.venv/bin:$PATH" \
    KVITT_ENV=production KVITT_VAR=/var/lib/kvitt

# What WeasyPrint draws invoices with. The Noto fonts write what DejaVu does not: Japanese, Chinese,
# Korean (fonts-noto-cjk, 60 MB), Thai, Hindi and many more. Leave them out if no customer needs them.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
        fonts-noto-core fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --system --home-dir /var/lib/kvitt --create-home kvitt
WORKDIR /srv/kvitt

# Before the code, so that a change of ours does not install everything again. The lock also holds
# what tests need; as a constraint it pins and checks the hashes of only what pyproject.toml asks for.
COPY pyproject.toml requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir uv \
    && uv pip install --no-cache --python .venv/bin/python -r pyproject.toml -c requirements.lock \
    && .venv/bin/pip uninstall --yes uv

COPY . .
RUN KVITT_PG=off python manage.py collectstatic --noinput --verbosity 0 \
    && sh scripts/compile.sh
ENV KVITT_BIND=0.0.0.0:8000
USER kvitt
VOLUME /var/lib/kvitt
EXPOSE 8000
CMD ["sh", "deploy/web.sh"]
