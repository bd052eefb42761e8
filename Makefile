# KVITT_VAR names the folder of the embedded database and of files (default: ./var).
# ARGS are passed on: make demo ARGS=--no-serve, make test ARGS="-k pricing".

.PHONY: help setup static browser demo test lint format proof lock

help:
	@echo "make demo    a shop and its year, in your browser"
	@echo "make test    the whole suite"
	@echo "make lint    style, types, imports, templates"
	@echo "make format  rewrite the code in the house style"
	@echo "make proof   the long runs"
	@echo "make lock    choose the newest versions that pyproject.toml allows"
	@echo "make static  what production starts from: the pages' assets, and code compiled ahead; after each setup there"
	@echo "make setup   what the others do first: .venv with everything in it"

setup:
	@sh scripts/setup.sh

static:
	@KVITT_ENV=production KVITT_PG=off .venv/bin/python manage.py collectstatic --noinput --verbosity 0
	@sh scripts/compile.sh

demo: setup
	@.venv/bin/python manage.py demo $(ARGS)

browser:
	@sh scripts/setup.sh browser

# In the order of their names: else what has one long test comes last, and nothing beside it.
test: browser
	@.venv/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@KVITT_PG=off .venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/djlint --check --quiet templates billing

format: setup
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format
	@.venv/bin/djlint --reformat --quiet templates billing

proof: browser
	@.venv/bin/python -m pytest -m proof $(ARGS)

lock: setup
	@.venv/bin/uv pip compile --quiet --upgrade --generate-hashes --universal \
		--python-version 3.12 --no-emit-index-url --custom-compile-command "make lock" \
		--group dev --output-file requirements.lock pyproject.toml
