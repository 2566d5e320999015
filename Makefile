# The commands that people and CI share: for git, make and Python 3.11 or newer; uv is fetched where it is missing.
# Paths are relative, so that a folder with spaces in its name works.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help compiled demo test test-oldest test-connectors test-servers nightly mutants check lint types layers coverage bench bench-full bench-peers bench-check format clean

VENV := .venv
STAMP := $(VENV)/.synced
OWN_UV := $(if $(shell command -v uv),,$(VENV)/bin/uv)
UV := $(or $(OWN_UV),uv)
BIN := $(VENV)/bin
# The environment is this folder's, whatever the caller has active.
export UV_PROJECT_ENVIRONMENT := $(VENV)
unexport VIRTUAL_ENV
# uv wants a place for its cache; without a usable home it gets one here.
export UV_CACHE_DIR ?= $(shell test -w "$${HOME:-/nonexistent}" && echo "" || echo .uv-cache)
ifeq ($(strip $(UV_CACHE_DIR)),)
unexport UV_CACHE_DIR
endif

help: ## Show these commands
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(STAMP) ## Load a star schema from two sample APIs, twice, and look at it
	@$(BIN)/strandline demo

# POSTGRES_BIN=/usr/lib/postgresql/15/bin starts the server of these programs and not the embedded one.
export POSTGRES_BIN

test: compiled ## Run the tests, on real servers
	@$(BIN)/pytest -n auto --dist worksteal $(ARGS)

check: lint types layers coverage ## All that must pass before a merge

lint: $(STAMP) ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## Types, strictly; an example's as its user would check them
	$(BIN)/mypy
	MYPYPATH=src:examples/sales $(BIN)/mypy examples/sales

layers: $(STAMP) ## Who may import whom
	$(BIN)/lint-imports --no-cache --no-logo

nightly: compiled ## Thousands of random histories, with crashes, against a plain loop; and every property on more cases
	@HISTORIES=$(or $(HISTORIES),5000) $(BIN)/pytest -m nightly -n auto --dist worksteal -q $(ARGS)
	@CASES=$(or $(CASES),8) $(BIN)/pytest tests/property tests/end_to_end/test_crash.py tests/end_to_end/test_kinto.py -n auto --dist worksteal -q $(ARGS)

# The tests of what depends on SQLAlchemy most; ARGS="tests" runs all.
test-oldest: compiled ## The tests of models, repositories and migrations with SQLAlchemy 2.0
	@$(UV) run --frozen --quiet --with 'sqlalchemy<2.1' pytest -n auto --dist worksteal -q $(or $(ARGS),tests/unit tests/integration/test_repository.py tests/integration/test_unit_of_work.py tests/integration/test_migration_kinds.py tests/property/test_repository_against_memory.py)

test-connectors: compiled ## Singer taps and an Airbyte connector that others have written, installed and read
	@$(BIN)/pytest -m connectors tests/connectors -n 0 -q $(ARGS)

# In the order in which they stand: a server is shared, and what the first test compares is all that it was told.
test-servers: compiled ## An ERP and a REST API that others have written, installed, started, changed and read
	@$(BIN)/pytest -m servers tests/servers -n 0 -q -p no:randomly $(ARGS)

mutants: $(STAMP) ## Break the merge on purpose, one condition at a time: does a test notice?
	@$(BIN)/python -m tests.mutation $(ARGS)

coverage: $(STAMP) ## The tests, and what they do not reach
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n auto --dist worksteal $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: $(STAMP) ## Measure against what is written by hand, in some minutes
	@$(BIN)/python -m benchmarks $(ARGS)

bench-full: $(STAMP) ## The same in the sizes that figures are told of, in an hour or more
	@$(BIN)/python -m benchmarks --full $(ARGS)

bench-peers: $(STAMP) ## Measure against other tools, each in an environment of its own, in half an hour
	@$(BIN)/python -m benchmarks peers-load peers-snapshot peers-facts $(ARGS)

bench-check: $(STAMP) ## Does a load cost more than it did? Counted, not timed
	@$(BIN)/python -m benchmarks.guard $(ARGS)

format: $(STAMP) ## Let the tools write what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what can be made again; the embedded warehouse in .strandline stays
	rm -rf $(VENV) .connectors .servers .uv-cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov

$(STAMP): pyproject.toml uv.lock | $(OWN_UV)
	@$(UV) sync --frozen --quiet --compile-bytecode $(if $(OWN_UV),--inexact)
	@touch $@

# A test starts hundreds of processes, and each would compile all that it imports where Python may not keep it.
compiled: $(STAMP)
	-@$(BIN)/python -m compileall -q src tests

# Only where no uv is on the PATH.
$(VENV)/bin/uv:
	@python=""; \
	for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	    if "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$each; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "strandline needs Python 3.11 or newer, and $$(python3 --version 2>&1 || true) is what there is." \
	         "Install one, or uv (https://docs.astral.sh/uv), which brings its own." >&2; \
	    exit 1; \
	fi; \
	"$$python" -m venv $(VENV) && $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.6'
