# Everything that one does with this repository. Needs python3 (3.10 or newer), make and pip.
# Each virtual environment is made once, and again when pyproject.toml changes.

PYTHON ?= python3
PIP := -m pip --disable-pip-version-check install --quiet

# The oldest Celery that is supported, and the oldest kombu that it takes.
OLDEST := celery==5.5.0 kombu==5.5.2

# And the oldest boto3, with its urllib3: without their dependencies, because the local AWS asks for newer
# ones, which it does not need.
OLDEST_BOTO3 := boto3==1.35.0 botocore==1.35.0 s3transfer==0.10.4 'urllib3<2'

# Celery's own tests are run with these; conformance/redis.json was made with them too.
CONFORMANCE := 'celery[auth,django,dynamodb,redis,sqlalchemy]==5.7.0' 'kombu[sqs]==5.7.0' 'pytest>=9' \
               pytest-rerunfailures pytest-timeout psutil

# The checked folders.
CODE := src tests examples bench conformance
PACKAGE := $(shell find src -type f -name '*.py') README.md LICENSE

# Most of the time is spent waiting for workers: two files of tests at once, each in its order. Some tests
# have four workers of their own, and two cores have no time for a third file beside them. In the
# order of tests/conftest.py: by number of tests, the long files would be the last.
TOGETHER := --numprocesses 2 --dist loadfile --no-loadscope-reorder

BIN := .venv/bin
export CELERY_AWS_CLEAN_PYTHON := $(CURDIR)/.venv-clean/bin/python
export CELERY_AWS_OLDEST_PYTHON := $(CURDIR)/.venv-oldest/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo rehearse-migration test lint test-newest test-oldest test-policies soak conformance bench redis servers format clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.demo ## Run a web team's tasks on a local AWS and show what they gave
	@$(BIN)/python -m examples.webteam

rehearse-migration: .venv/.dev redis ## Move a busy shop from Redis to a local AWS, kill a worker, and show what came of it (3 min)
	@$(BIN)/python -m examples.migration

test: lint test-newest test-oldest ## Run every check and test, on the newest and the oldest Celery

lint: .venv/.dev ## Check style, types and the direction of imports
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test-newest: .venv/.dev .venv-oldest/.test .venv-clean/.package servers ## Run every test on the newest Celery
	$(BIN)/python -m pytest $(TOGETHER)

# What tests of migrations move away from. RUNLEVEL keeps Debian from starting servers of its own.
servers: redis
	@command -v rabbitmq-server >/dev/null || $(call INSTALL,rabbitmq-server)

redis:
	@command -v redis-server >/dev/null || $(call INSTALL,redis-server)

define INSTALL
{ { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && export RUNLEVEL=1 \
    && apt-get update -qq && apt-get install -qq -y --no-install-recommends $(1); } >/dev/null 2>&1 \
  || echo "$(1) is not installed, and not to be had here: its tests are skipped"; }
endef

# What is simulated, the runner of Celery's own tests, what knows AWS alone, what is kept in the coordination
# table, large results, and what operators make and may do need no second Celery.
test-oldest: .venv-oldest/.test ## Run the tests on the oldest Celery: those that may differ there
	.venv-oldest/bin/python -m pytest $(TOGETHER) -m "not worker or oldest" -p no:cacheprovider \
		--ignore tests/unit/conformance --ignore tests/simulation \
		--ignore-glob 'tests/unit/aws/test_*.py' --ignore tests/unit/local --ignore tests/integration/local \
		--ignore tests/contract/aws --ignore-glob 'tests/contract/test_*.py' \
		--ignore-glob 'tests/integration/testing/test_fault_proxy*.py' --ignore tests/unit/testing \
		--ignore tests/unit/table --ignore tests/contract/table --ignore tests/unit/schedule \
		--ignore-glob 'tests/unit/results/test_large_result*.py' \
		--ignore tests/contract/results/test_large_results.py \
		--ignore tests/unit/provision --ignore-glob 'tests/integration/cli/test_provision*.py' \
		--ignore tests/unit/iam --ignore tests/integration/cli/test_iam.py \
		--ignore tests/integration/cli/test_operator_rights.py --ignore tests/integration/doctor/test_access.py

# Every worker, client and monitor of these tests has the policy that `celery aws iam` prints for it.
test-policies: .venv/.dev redis ## Run the tests of workers with generated IAM policies and nothing else
	CELERY_AWS_TEST_POLICIES=1 $(BIN)/python -m pytest $(TOGETHER) tests/integration/workers

# -s: its summaries are there to be read while it runs.
soak: .venv/.dev servers ## Kill workers and migrations 2,000 times, 160 min (CELERY_AWS_SOAK_ROUNDS=10: 9 min)
	$(BIN)/python -m pytest -m soak -s tests/simulation
	$(BIN)/python -m pytest -m soak -s tests/integration/workers tests/integration/health
	$(BIN)/python -m pytest -m soak -s tests/integration/migrate
	CELERY_AWS_SOAK=1 $(BIN)/python -m pytest -s tests/integration/workers/test_faults.py

# FILES="test_inspect.py test_group_chains.py" runs a part of it.
conformance: .venv-conformance/.conformance redis ## Run Celery's and kombu's own tests on a local AWS (a part: FILES=test_inspect.py)
	@.venv-conformance/bin/python -m conformance $(FILES)

# A part of it, written nowhere: BENCH="--rounds 1 --pools prefork2 --latency 8".
BENCH ?= --write --save .bench/speed.json
bench: .venv-bench/.bench redis ## Measure ours, stock and Redis in turns, 30 min, and write docs/explanation/speed.md
	@.venv-bench/bin/python -m bench.speed $(BENCH)

format: .venv/.dev ## Put the code into shape
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

clean: ## Remove the virtual environments and every cache
	rm -rf .venv .venv-oldest .venv-clean .venv-conformance .venv-bench .bench .conformance .*_cache .hypothesis .coverage dist build
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.made .venv-oldest/.made .venv-clean/.made .venv-conformance/.made .venv-bench/.made:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("Python 3.10 or newer is needed: make PYTHON=...")'
	@echo "Making $(@D)"
	@$(PYTHON) -m venv $(@D)
	@touch $@

.venv/.demo: .venv/.made pyproject.toml
	@echo "Installing celery-aws[demo] into .venv"
	@$(BIN)/python $(PIP) --editable '.[demo]'
	@touch $@

.venv/.dev: .venv/.made pyproject.toml
	@echo "Installing celery-aws[dev] into .venv"
	@$(BIN)/python $(PIP) --editable '.[dev]'
	@touch $@ .venv/.demo

.venv-oldest/.test: .venv-oldest/.made pyproject.toml
	@echo "Installing celery-aws[test] with $(OLDEST) and the oldest boto3 into .venv-oldest"
	@.venv-oldest/bin/python $(PIP) --editable '.[test]' $(OLDEST)
	@.venv-oldest/bin/python $(PIP) --no-deps $(OLDEST_BOTO3)
	@touch $@

.venv-conformance/.conformance: .venv-conformance/.made pyproject.toml
	@echo "Installing celery-aws[test] and what Celery's own tests need into .venv-conformance"
	@.venv-conformance/bin/python $(PIP) --editable '.[test]' $(CONFORMANCE)
	@touch $@

.venv-bench/.bench: .venv-bench/.made pyproject.toml
	@echo "Installing celery-aws[bench] into .venv-bench"
	@.venv-bench/bin/python $(PIP) --editable '.[bench]'
	@touch $@

# Nothing but the package, as a user installs it.
.venv-clean/.dependencies: .venv-clean/.made pyproject.toml
	@echo "Installing celery-aws into .venv-clean"
	@.venv-clean/bin/python $(PIP) .
	@touch $@

.venv-clean/.package: .venv-clean/.dependencies $(PACKAGE)
	@.venv-clean/bin/python $(PIP) --force-reinstall --no-deps .
	@touch $@
