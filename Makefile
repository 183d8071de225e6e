.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
SOURCES := src operator nodeagent tests bench examples
# The tests wait about as much as they work. A file's tests share what they start, so they stay together.
WORKERS ?= $(shell expr $$(nproc) + 2)
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The tests start Python some thousand times: what is compiled once is kept.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test suite churn test-tools check lint types bench bench-tests soak fmt clean

help: ## show this
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/installed ## the main job, in a temporary folder
	$(BIN)/starlink demo

test: lint ## all tests, checks included
	@$(MAKE) --no-print-directory --jobs=2 types suite

# The tests leave some of the cores idle, which checking the types takes.
suite: .venv/installed
	$(PYTEST) --hypothesis-profile push

churn: .venv/installed ## five minutes of objects that come and go: nothing of StarLink grows with them
	$(BIN)/pytest -s tests/soak

test-tools: .venv/installed ## what tests need beside the project: installed, or named where it is missing
	$(BIN)/python -m tests.tools

check: lint types ## ruff, mypy and the layers

lint: .venv/installed
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports

types: .venv/installed
	$(BIN)/mypy

bench: .venv/installed ## all benchmarks
	$(BIN)/python -m bench all

bench-%: .venv/installed ## one of them, such as bench-main_job
	$(BIN)/python -m bench $*

bench-tests: .venv/installed ## the tests, and how long each file of them takes
	$(PYTEST) --hypothesis-profile push --keep-durations

soak: .venv/installed ## an hour of churn, many kills in place of a few, a store damaged at each offset, all the fuzz, ten times the requests beside a Kubernetes, and forty times the examples
	STARLINK_CHURN_MINUTES=60 $(BIN)/pytest -s tests/soak
	STARLINK_KILLS=20 STARLINK_CRASH_ROUNDS=50 $(BIN)/pytest -s tests/e2e/test_kill.py tests/crash
	STARLINK_DAMAGE_EVERYWHERE=1 $(BIN)/pytest tests/attack/test_store_damage.py
	STARLINK_FUZZ=50 $(PYTEST) tests/integration/fuzz tests/attack/test_misshapen.py tests/attack/test_archive_fuzz.py --timeout 3600
	STARLINK_FUZZ=10 $(PYTEST) tests/differential --timeout 3600
	$(PYTEST) -m hypothesis --hypothesis-profile soak --timeout 3600

fmt: .venv/installed ## format the code
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

clean: ## remove what was installed and built
	rm -rf .venv dist build
