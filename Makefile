# Everything there is to do here, on a machine that has Python (3.10 or newer), make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# In CI every test runs, and one that is skipped has failed (tests/conftest.py).
PYTEST ?= $(BIN)/python -m pytest -q -n 2 --dist loadfile

# What a test measures of a process, or takes from it, the measuring of coverage would change.
MEASURED := tests/client tests/contract tests/test_telemetry.py tests/test_usual.py $(addprefix --ignore tests/client/test_,\
	anywhere.py cost.py delivery.py faults_files.py faults_frozen.py faults_home.py \
	faults_process.py faults_table.py releases.py untouched.py)

# the functions that docs/tested.md speaks of; `mutmut run` alone takes the rest of their files too
MUTANTS := 'askfirst.client.consent.*' 'askfirst.contract.event.*' 'askfirst.contract.model.*Field*' \
	'askfirst.client.x_compile_fields__*' $(patsubst %,'askfirst.usual.x_%__*',forbids treated treat bucket \
	_is_released hash_text hash_bytes leaf_text as_wire quoted dumps new_id uuid_text now_ms)

.PHONY: help demo test slow coverage mutants check format bench screenshots reference docs dist clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): pyproject.toml packaging/collector/pyproject.toml examples/stratus/pyproject.toml
	@echo "making an environment in $(VENV)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed; set PYTHON=…")'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet -e '.[all]' -e packaging/collector -e examples/stratus --group dev
	@touch $@

demo: $(READY) ## everything at once, on this machine; ends after the answers
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/askfirst demo --exit

test: $(READY) ## the tests; in CI the slow ones too
	$(PYTEST)

slow: $(READY) ## all tests
	$(PYTEST) --slow

coverage: $(READY) ## how much of the client and the contract the tests of each part run
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -q -n 2 --dist loadfile --hypothesis-profile=ci $(MEASURED)
	$(BIN)/coverage combine --quiet
	@for part in "__init__.py,src/askfirst/client/*" "usual.py,src/askfirst/contract/*"; do \
		$(BIN)/coverage report --include "src/askfirst/$$part" || exit 1; done

mutants: $(READY) ## which changes to consent and events no test would notice
	$(BIN)/mutmut run --max-children 2 $(MUTANTS)
	@$(BIN)/mutmut results | grep -E ': (survived|timeout|suspicious|segfault|no tests)' | cut -d: -f1 | \
		{ new=0; while read -r name; do grep -qF "$$name" docs/tested.md || \
		{ echo "docs/tested.md does not explain $$name" >&2; new=1; }; done; exit $$new; }

check: $(READY) ## style, types, layers, spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

format: $(READY) ## put the code in form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY) ## measure, beside a floor in the same run (needs wrk)
	$(BIN)/python bench/client.py
	$(BIN)/python bench/pipeline.py
	$(BIN)/python bench/store.py --stored 0 1000000
	$(BIN)/python bench/ingest.py --seconds 20

screenshots: $(READY) ## take the pictures of the dashboard and of the question again; needs chromium
	$(BIN)/python -m tests.dashboard.browser.screenshots
	$(BIN)/python -m tests.examples.screenshot

reference: $(READY) ## write the reference pages of the documentation from the code
	$(BIN)/python tools/reference.py

docs: reference ## build the documentation into site/
	$(BIN)/mkdocs build --strict

dist: $(READY) ## build the wheels and sdists of the client and of the collector
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m build --outdir dist packaging/collector

clean: ## delete what was made here
	rm -rf $(VENV) dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* mutants
