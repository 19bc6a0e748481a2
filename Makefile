# Every target does its own set-up; `make` alone prints this help.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
TIER ?= test

help:  ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock infra/iso20022.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("supplytwin needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile \
	  --upgrade --target $(VENV)/iso20022 -r infra/iso20022.lock
	touch $@

setup: $(STAMP)  ## create .venv with the pinned dependencies

demo: $(STAMP)  ## ten years of real deliveries through a real Kafka: twins, footprints, payments, SQL
	$(BIN)/supplytwin demo

check: $(STAMP)  ## ruff, mypy, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	PYTHONPATH=infra/typing $(BIN)/lint-imports

test: check  ## checks, all tests with reduced counts, and the unit tests against the built wheel
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-pure-and-wheel test-kafka

test-pure-and-wheel: test-pure
	$(MAKE) --no-print-directory wheel-test

test-pure: $(STAMP)
	$(BIN)/python -m pytest --tier=test tests/unit tests/contract tests/bench

test-kafka: $(STAMP)
	$(BIN)/python -m pytest --tier=test tests/integration tests/e2e tests/chaos

verify: check  ## the same tests with the full acceptance counts (up to 90 minutes; the faults beside the rest)
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target chaos verify-rest wheel-test

verify-rest: $(STAMP)
	$(BIN)/python -m pytest --tier=verify tests/unit tests/contract tests/integration tests/e2e tests/bench

chaos: $(STAMP)  ## kills, zombies, rebalances, broker restarts with the full counts (more than an hour)
	$(BIN)/python -m pytest --tier=verify tests/chaos

bench: $(STAMP)  ## measurements on a real Kafka (5 minutes; BENCH_PEERS=1 with the peers: 7), JSON in bench-results/
	$(BIN)/python tests/bench/run.py

wheel: $(STAMP)  ## build dist/*.whl
	rm -rf build dist
	$(BIN)/python -m build --quiet --wheel --no-isolation --outdir dist

wheel-test: wheel  ## install the wheel in an empty environment and test it without the source tree
	$(BIN)/python infra/wheel_test.py dist/*.whl requirements.lock

lock: $(STAMP)  ## recompute requirements.lock
	$(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --no-header --no-annotate --extra watch --extra docker --extra registry --extra dev \
	  --output-file requirements.lock pyproject.toml

clean:  ## remove what was built, keep .venv
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help setup demo check test test-pure test-pure-and-wheel test-kafka verify verify-rest chaos bench wheel wheel-test lock clean
