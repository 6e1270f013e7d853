# Everything a newcomer types. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install run test test-quick test-timing test-faults test-fuzz test-fuzz-quick test-promises prove prove-quick audit lint bench bench-quick demo lock clean

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/installed
LOCKS := requirements.txt dev/requirements.txt tests/requirements.txt
TOOLS_STAMP := tests/tools/.venv/installed
NODE_STAMP := tests/node/node_modules/installed
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ARGS ?=
# Processes that tests run in side by side, each with a MongoDB and a Valkey of its own; 0: in one, after each other.
WORKERS ?= 3
# What the benchmark compares with, in places of its own.
PEERS := bench/.venv/installed bench/peers/express/node_modules/.package-lock.json

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | \
	  while IFS='|' read -r name text; do printf '  make %-15s %s\n' "$$name" "$$text"; done

install: $(STAMP) ## Make .venv with everything (again only when the pins change)

$(STAMP): $(LOCKS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'Marquee needs Python 3.11 or newer: install it (Debian: apt-get install python3), or set PYTHON=/path/to/python3.11.' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo 'This Python cannot make virtual environments: install the venv module (Debian: apt-get install python3-venv).' >&2; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo 'Installing the pinned requirements into $(VENV), a minute or two the first time'
	@$(PY) -m pip install --quiet --disable-pip-version-check --use-pep517 --require-hashes -r tests/requirements.txt
	@touch $@

run: install ## Bring the whole platform up; ARGS="--port 8001 --no-demo" for options
	@exec $(PY) run.py up $(ARGS)

# The families are given by folder, in tests/plan.py. CI runs `test` and those below it up to `test-promises`, one after
# the other (.ci/run); each test is in just one of them.
TOOLS := install $(TOOLS_STAMP) $(NODE_STAMP)

test: $(TOOLS) ## Run the tests but for the families below, under 10 minutes
	@$(PY) -m pytest -n $(WORKERS) -m "not timing and not fault and not fuzz and not promise" $(ARGS)

test-timing: $(TOOLS) ## What measures time, alone on the machine
	@$(PY) -m pytest -m "timing" $(ARGS)

test-faults: $(TOOLS) ## What kills processes, cuts them off and storms them
	@$(PY) -m pytest -n $(WORKERS) -m "fault" $(ARGS)

test-fuzz-quick: $(TOOLS) ## What makes requests up, in its short form
	@$(PY) -m pytest -n $(WORKERS) -m "fuzz" $(ARGS)

test-promises: $(TOOLS) ## Each promise of `make prove` in its short form, as a test
	@$(PY) -m pytest -m "promise" $(ARGS)

test-quick: install ## What needs no processes of ours and no browser: a minute and a half
	@$(PY) -m pytest -n $(WORKERS) -m "not timing and not process and not fuzz and not matrix and not slow and not browser" $(ARGS)

# What tests drive as commands has a venv of its own: its pins and the product's do not have to agree.
$(TOOLS_STAMP): tests/tools/requirements.txt
	@test -x tests/tools/.venv/bin/pip || $(PYTHON) -m venv --clear tests/tools/.venv
	@echo 'Installing the tools of the tests into tests/tools/.venv, a minute the first time'
	@tests/tools/.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/tools/requirements.txt
	@touch $@

$(NODE_STAMP): tests/node/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --ignore-scripts --no-audit --no-fund --prefix tests/node && touch $@; \
	  else echo 'There is no npm: the tests that drive players and clients of others will be skipped.' >&2; fi

test-fuzz: install $(TOOLS_STAMP) ## Try 1,000 made-up requests per operation; ARGS="--seed 7" repeats a run
	@$(PY) -m tests.fuzz --examples 1000 $(ARGS)

prove: install $(TOOLS_STAMP) $(NODE_STAMP) ## Prove every claim on this machine
	@$(PY) -m tests.prove $(ARGS)

prove-quick: install $(TOOLS_STAMP) $(NODE_STAMP) ## The same in minutes: fewer repetitions
	@$(PY) -m tests.prove --quick $(ARGS)

audit: install $(TOOLS_STAMP) ## Ask bandit about our code and the advisory service about every pin
	@$(PY) -m tests.attacks.audit

lint: install ## Check style, format and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: install $(PEERS) ## Measure against the peers and floors, 25 minutes; ARGS="--case list" for less
	@$(PY) -m bench $(ARGS)

bench-quick: install $(PEERS) ## The same in under 4 minutes, fewer cases
	@$(PY) -m bench --quick $(ARGS)

bench/.venv/installed: bench/requirements.txt
	@$(PYTHON) -m venv --clear bench/.venv
	@bench/.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.txt
	@touch $@

bench/peers/express/node_modules/.package-lock.json: bench/peers/express/package-lock.json
	@if command -v npm >/dev/null; then cd bench/peers/express && npm ci --ignore-scripts --silent; else \
	  echo 'npm is not installed (Debian: apt-get install nodejs npm): the benchmark leaves Express out.' >&2; fi

demo: install ## Tour a running copy: every request, its answer, the playback URL
	@$(PY) run.py demo $(ARGS)

PIP_COMPILE := $(VENV)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
  --no-annotate --no-emit-index-url --no-emit-options

lock: install ## Compile the pins again from the *.in files; ARGS=--upgrade for newer ones
	$(PIP_COMPILE) $(ARGS) --output-file requirements.txt requirements.in
	$(PIP_COMPILE) $(ARGS) --constraint requirements.txt --output-file dev/requirements.txt dev/requirements.in
	$(PIP_COMPILE) $(ARGS) --constraint dev/requirements.txt --output-file tests/requirements.txt tests/requirements.in
	$(PIP_COMPILE) $(ARGS) --output-file tests/tools/requirements.txt tests/tools/requirements.in
	$(PIP_COMPILE) $(ARGS) --output-file bench/requirements.txt bench/requirements.in

clean: ## Remove the virtual environment and the data of `make run`
	rm -rf $(VENV) tests/tools/.venv .data
