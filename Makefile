# Needs make and Python 3.11 or newer. Everything else is installed into the project, checked by hash.
PYTHON ?= python3

BIN := .venv/bin
SOURCES := $(wildcard functions demo infra lab tests bench scripts)
LOCKS := dev desk functions functions-tests uv embedded-aws manifests bench audit fuzz

# A worker more than processors, for a third of the time is spent waiting for emulators; tests that share a
# fixture run in the same worker (tests/conftest.py).
WORKERS := --numprocesses $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist loadscope --no-loadscope-reorder

# Not in `check`: tests that start the embedded AWS or the CDK, or that take minutes (CONTRIBUTING.md).
NOT_IN_CHECK := tests/browser tests/cli tests/contract tests/demo tests/detection tests/e2e tests/infra tests/lab tests/prometheus tests/reliability

# uv installs no byte code. Let Python write it, or every process compiles the CDK again.
unexport PYTHONDONTWRITEBYTECODE

define set-up
@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "enigap needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": name a newer one, as in `make PYTHON=python3.12 test`.")'
@$(PYTHON) scripts/environments.py $(1)
endef

.PHONY: help setup demo destroy lab check test bench audit fuzz format-and-lint lint format lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the other targets need, in .venv, .venv-aws and, with a Python 3.13 at hand, .venv-3.13
	$(call set-up,desk cdk axe embedded-aws python-3.13 manifests fuzz)

demo: ## the whole pipeline on an embedded AWS, no account needed; ARGS=--keep leaves it up
	$(call set-up,desk cdk embedded-aws)
	@$(BIN)/python -m demo $(ARGS)

lab: ## real traffic in network namespaces (Linux, iperf3), judged by the deployed pipeline; ARGS=mixed for one scenario
	$(call set-up,desk cdk embedded-aws)
	@$(BIN)/python -m lab $(ARGS)

destroy: ## delete what enigap deployed, in every region of the deployed settings; ARGS="--stack NAME --region REGION"
	$(call set-up,desk)
	@$(BIN)/python -m scripts.destroy $(ARGS)

check: ## the quick loop: format, lint, types and the unit tests, which start neither an AWS nor the CDK
	$(call set-up,desk)
	@$(MAKE) --no-print-directory lint
	@echo "==> Unit tests"
	@$(BIN)/pytest $(WORKERS) $(addprefix --ignore ,$(NOT_IN_CHECK))

# Types and the tests of what runs in AWS, on the Python it has there, run beside the other tests, which wait a
# lot, and speak after them.
test: setup ## format, lint, types and all tests: must pass before a change is merged
	@$(MAKE) --no-print-directory format-and-lint
	@mkdir -p build
	@{ \
		echo "==> Types"; $(BIN)/mypy $(SOURCES); types=$$?; \
		if [ ! -x .venv-3.13/bin/python ]; then exit $$types; fi; \
		echo "==> Tests of what runs in AWS, on the Python it has there"; \
		.venv-3.13/bin/python -m pytest --numprocesses 2 -p no:cacheprovider tests/core tests/lambdas && exit $$types; \
	} >build/beside.txt 2>&1 & beside=$$!; \
	echo "==> All tests"; \
	$(BIN)/pytest $(WORKERS); tests=$$?; \
	wait $$beside; beside=$$?; \
	cat build/beside.txt; \
	[ $$tests -eq 0 ] && [ $$beside -eq 0 ]

bench: ## calls, cost, time and memory up to 100,000 nodes, compared with the alternatives; ARGS=--quick takes two minutes, ARGS=detection for how surely faults are found, ARGS=sources for classic events against OpenTelemetry's counters, ARGS=page for the page of the report
	$(call set-up,desk python-3.13 bench)
	@$(BIN)/python -m bench $(ARGS)

audit: ## write an SBOM of the functions to build/sbom.json and look up known vulnerabilities; ARGS=--all for .venv too
	$(call set-up,desk audit)
	@$(BIN)/python scripts/audit.py $(ARGS)

fuzz: ## look for input that breaks a parser, guided by coverage; ARGS="--seconds 600 states" one of them for ten minutes
	$(call set-up,desk fuzz)
	@.venv-fuzz/bin/python -m tests.security.fuzz $(ARGS)

format-and-lint:
	@echo "==> Format"
	@$(BIN)/ruff format --check
	@echo "==> Lint"
	@$(BIN)/ruff check

lint: format-and-lint # part of check
	@echo "==> Types"
	@$(BIN)/mypy $(SOURCES)

format: ## format the code and fix what lint can fix
	$(call set-up,desk)
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

lock: ## regenerate requirements/*.txt from *.in; UPGRADE=--upgrade takes the newest versions
	$(call set-up,desk)
	@for name in $(LOCKS); do \
		echo "==> requirements/$$name.txt"; \
		case $$name in dev | embedded-aws | bench) same= ;; *) same="--constraints requirements/dev.txt";; esac; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
			--custom-compile-command "make lock" $(UPGRADE) $$same \
			requirements/$$name.in --output-file requirements/$$name.txt || exit 1; \
	done
	@for name in cdk axe; do \
		echo "==> requirements/$$name/package-lock.json"; \
		$(BIN)/npm install --prefix requirements/$$name --package-lock-only --omit-lockfile-registry-resolved \
			--ignore-scripts --no-audit --no-fund --loglevel=error || exit 1; \
	done
