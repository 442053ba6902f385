# Every verb of the project. `make` alone lists them.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
UV_VERSION := 0.13.9
UV := UV_PYTHON_DOWNLOADS=never .venv/bin/uv
PY := .venv/bin/python
# Arguments for pytest, such as: make test ARGS="tests/unit -k lease"
ARGS ?=

# Where it is set, each process of a run compiles all that it imports again, which takes longer than the rest of its start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench doctor images frontend screenshots clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F '\t' '{printf "  make %-11s %s\n", $$1, $$2}'

run: .venv/.run frontend  ## set up what is missing and run everything on this machine (HOST=, PORT=)
	@exec $(PY) -m project.supervisor --host $(HOST) --port $(PORT)

test: .venv/.dev frontend  ## all tests; what needs a missing service is skipped with the reason
	@$(PY) -m pytest $(ARGS)

lint: .venv/.dev  ## style, types, import contracts
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-cache

format: .venv/.dev  ## let ruff format and sort
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: .venv/.dev frontend  ## measure speed and memory against the bars (build/bench.json)
	@$(PY) -m tests.bench $(ARGS)

doctor: .venv/.run  ## is everything that an installation needs well?
	@$(PY) manage.py doctor $(ARGS)

images: .venv/.run  ## build the images of all languages
	@$(PY) manage.py build_images $(ARGS)

frontend: .venv/bin/uv  ## build the pages' scripts and styles, if their sources changed
	@$(PY) project/build_frontend.py

screenshots: .venv/.dev frontend  ## take the pictures of the documentation (docs/images)
	@$(PY) -m tests.screenshots

clean:  ## remove what was made here: environment, builds, caches; var/ (your data) stays
	@rm -rf .venv build frontend/node_modules frontend/static/frontend/dist \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Thermae needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv module is missing. On Debian: apt install python3-venv"; exit 1; }
	@echo "  … Python environment is being made in .venv"
	@$(PYTHON) -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# --inexact: a run after a test keeps the test's packages, so that going back and forth installs nothing.
.venv/.run: .venv/bin/uv pyproject.toml uv.lock
	@echo "  … Python packages are being installed"
	@$(UV) sync --quiet --locked --inexact --no-default-groups
	@touch $@

.venv/.dev: .venv/bin/uv pyproject.toml uv.lock
	@$(UV) sync --quiet --locked --inexact --group dev
	@touch $@ .venv/.run
