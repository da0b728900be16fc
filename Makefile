# The project's commands. Each sets up what it needs in .venv, once; later runs are quick.
#   make demo    run the quickstart notebook on the embedded engine, then open it in JupyterLab
#   make test    everything: linters, types, unit tests, kernels, notebooks, engine, browser
#   make lint    only linters and types
#   make lowest  unit and kernel tests with the lowest versions that pyproject.toml allows
#   make coverage  which lines of the package the tests of Python run
#   make bench   the benchmarks
#   make fuzz    a minute of fuzzing for each of what reads a model's text (TIME=600: seconds)
#   make reproducible  builds the wheel in two places and compares them
#   make translations  brings the catalogues of texts up to date with the code, and compiles them
#   make clean   remove all that these have made
# PYTHON=python3.12 make ... chooses the Python that .venv is made with (3.11 or later).

PYTHON ?= python3
BIN := .venv/bin
# Node and npm come from a wheel in .venv, so that none need be installed.
export PATH := $(CURDIR)/$(BIN):$(PATH)

# What is installed for one test each, which turns it on: the demo's JupyterLab does without.
FOR_TESTS := @jupyter/collaboration-extension @jupyter/docprovider-extension \
  @jupyterlite/pyodide-kernel-extension

# Tests wait for kernels and pages most of the time: three for every two processors.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) \* 3 / 2)

LABEXTENSION := $(wildcard labextension/*.*) $(shell find labextension/src labextension/style labextension/schema -type f)

.PHONY: demo test coverage lint lowest bench fuzz reproducible translations clean

demo: .venv/installed
	$(BIN)/python demo_notebooks/demo.py

test: lint
	npm --prefix labextension test
	CHROMIUM="$$($(BIN)/python -m tests.browser.chromium)" \
	  $(BIN)/python -m pytest --numprocesses $(WORKERS)

coverage: .venv/installed
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --ignore tests/browser \
	  --cov glm_jupyter --cov-report term-missing:skip-covered

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	npm --prefix labextension run lint

# Warnings of old versions are not ours to mend. Without Dask, which brings newer ones.
lowest: .venv/installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/lowest
	SKIP_JUPYTER_BUILDER=1 $(BIN)/uv pip install --quiet --python build/lowest \
	  --resolution lowest-direct --editable '.[audio,gateway,keyring,lab,local]'
	SKIP_JUPYTER_BUILDER=1 $(BIN)/uv pip install --quiet --python build/lowest --editable '.[test]'
	build/lowest/bin/python -m pytest --numprocesses $(WORKERS) --override-ini filterwarnings=default \
	  --ignore tests/unit/test_map_dask.py tests/unit tests/kernel

bench: .venv/installed
	$(BIN)/python -m tests.benchmarks.kernel
	$(BIN)/python -m tests.benchmarks.mapping
	$(BIN)/python -m tests.benchmarks.batch
	$(BIN)/python -m tests.benchmarks.gateway
	$(BIN)/python -m tests.benchmarks.ledger
	CHROMIUM="$$($(BIN)/python -m tests.browser.chromium)" \
	  $(BIN)/python -m tests.benchmarks.browser

# Atheris has wheels for Linux only, so nothing else asks for it.
TIME ?= 60
fuzz: .venv/installed
	$(BIN)/uv pip install --quiet --python $(BIN)/python atheris
	$(BIN)/python -m tests.fuzz reader -max_total_time=$(TIME)
	$(BIN)/python -m tests.fuzz stream -max_total_time=$(TIME)
	$(BIN)/python -m tests.fuzz tex -max_total_time=$(TIME)

reproducible: .venv/installed
	$(BIN)/python -m tests.reproducible

translations: .venv/installed
	mkdir -p build
	$(BIN)/pybabel -q extract --keyword N_ --add-location file --sort-by-file \
	  --output build/glm_jupyter.pot glm_jupyter
	$(BIN)/pybabel -q update -D glm_jupyter -d glm_jupyter/locale -i build/glm_jupyter.pot \
	  --ignore-pot-creation-date --no-fuzzy-matching --ignore-obsolete --width 100
	$(BIN)/pybabel -q compile -D glm_jupyter -d glm_jupyter/locale

clean:
	rm -rf .venv build dist glm_jupyter/labextension labextension/lib labextension/node_modules
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11; name another one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv

# The package is installed to be edited; its JupyterLab extension is built at this moment.
.venv/installed: .venv/bin/python pyproject.toml $(LABEXTENSION)
	rm -rf glm_jupyter/labextension
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[dev]'
	$(BIN)/jupyter labextension disable --level=sys_prefix $(FOR_TESTS)
	$(BIN)/jupyter server extension disable --sys-prefix jupyter_server_ydoc 2>&1 | tail -1
	touch $@
