PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two workers, a file at a time, what is long first, Neo4j's tests on one of them (tests/conftest.py). One thread each: the
# threads of two workers would wait for each other. Compiled tests are kept, whatever the environment says: else every
# worker compiles all of them anew.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile
LINT := $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

.PHONY: setup test unit lint golden docs guide demo bench bench-rings bench-real bench-cases clean

setup: $(STAMP)

# What is imported is compiled when it is; compiling all that is installed takes a minute.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[dev]'
	touch $(STAMP)

unit: setup  ## the fast part of the tests
	$(PYTEST) -m "not neo4j and not data and not slow and not browser"

lint: setup
	$(LINT)

test: setup  ## lint, and beside it everything this machine can run
	@( $(LINT) ) & lint=$$!; $(PYTEST) --durations=20; tests=$$?; \
	wait $$lint || { echo "lint failed, see above"; exit 1; }; exit $$tests

golden: setup  ## record anew what every command writes, where a change means to change it
	RECORD_GOLDEN=1 $(PYTEST) -n 0 tests/golden

docs: setup  ## the documentation, in site/
	$(BIN)/python -m scripts.docs_pages
	$(BIN)/zensical build --strict

guide: setup  ## docs/guide.md anew, against a real Neo4j
	$(BIN)/python -m scripts.guide

demo: setup  ## simulate a log with planted campaigns, find them, say where the report is
	bash scripts/demo.sh $(BIN)

LOG ?= ../shared/data/globo/clicks.parquet
bench: setup  ## the figures of benchmarks/, on LOG
	$(BIN)/python -m benchmarks.run_globo $(LOG)
	$(BIN)/python -m benchmarks.run_neo4j $(LOG)
	$(BIN)/python -m benchmarks.run_latency $(LOG)

DATA ?= ../shared/data
bench-rings: setup  ## rings planted into real logs, graphdet and its peers; the quick form: two logs, one seed
	$(BIN)/python -m pip install --quiet --editable '.[dev,bench]'
	$(BIN)/python -m benchmarks.rings.run_rings $(DATA) --logs trivago taobao --seeds 1 --untouched --quick

bench-real: setup  ## real worlds with known rings, graphdet and simple peers; about an hour
	$(BIN)/python -m benchmarks.worlds.run_worlds $(DATA) --record
	$(BIN)/python -m benchmarks.worlds.table

bench-cases: setup  ## the cases that learn from labels, each with its peers; hours
	$(BIN)/python -m pip install --quiet --editable '.[dev,bench]'
	$(BIN)/python -m benchmarks.cases.brushing --data $(DATA) --parts labels
	$(BIN)/python -m benchmarks.cases.brushing --data $(DATA) --parts "no labels" --final
	$(BIN)/python -m benchmarks.cases.brushing_planted --data $(DATA)
	$(BIN)/python -m benchmarks.cases.payments_handbook --figures docs/cases/figures
	$(BIN)/python -m benchmarks.cases.payments_sffsd --figures docs/cases/figures
	$(BIN)/python -m benchmarks.cases.social_spam --data $(DATA) --out docs/cases/social-spam --cnn
	$(BIN)/python -m benchmarks.cases.review_spam --data $(DATA)
	$(BIN)/python -m benchmarks.cases.node_benchmarks --data $(DATA)
