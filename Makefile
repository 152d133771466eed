# The few commands of the project; `make help` lists them. Nothing outside this folder is installed or changed.

SHELL := /bin/sh
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --require-hashes --only-binary :all:

.DEFAULT_GOAL := help
.PHONY: help setup run test test-browser screenshots check bench accuracy optimality chaos mutants soak audit

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.tools .venv/.redis-server ## create .venv and install what is pinned in requirements/

run: .venv/.packages .venv/.redis-server ## start everything and print the address; Ctrl-C stops it
	@exec $(PY) manage.py up

test: setup ## run all tests on all cores (up to 8; ARGS="-n 0 tests/unit" for less), on servers of their own
	@$(PY) -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal $(ARGS)

test-browser: setup ## walk through all pages in a real Chromium, the system's (ARGS="--screenshots DIR" keeps pictures)
	@$(PY) -m tests.browser.chromium
	@$(PY) -m pytest --numprocesses 0 -p no:randomly tests/browser $(ARGS) # they share one running day, which has an order

screenshots: setup ## take a picture of every tab, in both colours and sizes, into docs/screenshots/
	@$(PY) -m tests.browser.chromium
	@$(PY) -m tests.browser.screenshots docs/screenshots

check: setup ## lint, format, types, layers, missing migrations
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy .
	.venv/bin/lint-imports --no-logo
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

accuracy: .venv/.packages ## run 60 days with brokers and margins unknown to the application; writes docs/accuracy.md
	@$(PY) -m benchmarks.accuracy docs/accuracy.md

optimality: .venv/.packages ## hold 1,000 hedges against other ways to find the least; writes docs/optimality.md
	@$(PY) -m benchmarks.optimality --page docs/optimality.md

chaos: setup ## try the order protocol in 100,000 seeded disasters and in real processes that are killed; writes docs/reliability.md
	@$(PY) manage.py chaos --schedules 100000 --page docs/reliability.md
	@$(PY) manage.py chaos --schedules 2000 --compare --page docs/reliability.md
	@RELIABILITY=full $(PY) -m pytest tests/reliability tests/contract/test_wire_faults.py

mutants: setup ## delete every guard of the order protocol in turn: a test must notice; writes docs/reliability.md
	@$(PY) -m tests.mutants --page docs/reliability.md

audit: setup ## look for unsafe calls in the code, and for known holes in the pinned packages
	@sh requirements/audit.sh

soak: setup ## live through a day at speed 10 while workers are killed (40 minutes), and five days in one process
	@$(PY) -m tests.reliability.soak day --page docs/reliability.md
	@$(PY) -m tests.reliability.soak days --page docs/reliability.md

bench: setup ## measure simulator, margin and ledgers beside peers; prints, never fails on time
	@$(PY) -m benchmarks.bench_simulator
	@$(PY) -m benchmarks.bench_margin
	@$(PY) -m benchmarks.bench_optimizer
	@$(PY) -m benchmarks.bench_timeline
	@$(PY) -m benchmarks.bench_path
	@$(PY) -m benchmarks.bench_pages
	@$(PY) -m benchmarks.bench_ledgers

# --- setup, step by step; a stamp says that a step is done for the locks as they are -----------------------------------

.venv/.made: requirements/setup.sh
	@sh requirements/setup.sh venv
	@touch $@

.venv/.packages: .venv/.made requirements/main.lock
	@echo "Installing packages (once; later starts skip this) …"
	@$(INSTALL) -r requirements/main.lock
	@touch $@

.venv/.tools: .venv/.packages requirements/dev.lock
	@echo "Installing the tools for tests and checks …"
	@$(INSTALL) -r requirements/dev.lock
	@touch $@

.venv/.redis-server: .venv/.made requirements/redis-server.lock
	@sh requirements/setup.sh redis-server
	@touch $@
