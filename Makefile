# make demo | test | check | bench | test-peers | test-course | functions | docs | clean
#
# Needs Python 3.11 or newer with venv and pip. The first run of a target makes its environment; later
# ones use it, until pyproject.toml, the Python version or this folder's place changes.
# The install is editable: a change of the code needs no new one.

# The first Python that is new enough; make PYTHON=/path/to/python takes another.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && \
	{ echo "$$p"; break; }; done)
endif
VERSION := $(if $(PYTHON),$(shell "$(PYTHON)" -c \
	'import sys; print(sys.version.split()[0] if sys.version_info >= (3, 11) else "")' 2>/dev/null))
KEY := $(VERSION)-$(shell printf '%s' '$(CURDIR)' | cksum | cut -d ' ' -f 1)

DEMO := .venv-demo
TEST := .venv-test
PEERS := .venv-peers
COURSE := .venv-course
DOCS := .venv-docs

# Processes of the tests, and further arguments: make test ARGS="-k matmul", make bench ARGS=--quick
WORKERS ?= auto
ARGS ?=

.PHONY: help demo test check bench test-peers test-course functions docs clean
.DELETE_ON_ERROR:

help:
	@echo "make demo        the main job on real data: iris and a single-layer network"
	@echo "make test        the tests"
	@echo "make check       ruff (lint and format) and mypy --strict"
	@echo "make bench       the benchmarks beside JAX and PyTorch; nothing is asserted"
	@echo "make test-peers  the tests against JAX and PyTorch, which it installs"
	@echo "make test-course all of the course's tests, beside nbgrader and otter, which it installs"
	@echo "make functions   write the list of NumPy's functions in docs/functions.md anew"
	@echo "make docs        the documentation as a site, in build/site; needs MkDocs, which it installs"
	@echo "make clean       remove the environments and caches"

demo: $(DEMO)/ready-$(KEY)
	@$(DEMO)/bin/jacobians demo

test: $(TEST)/ready-$(KEY)
	OPENBLAS_NUM_THREADS=1 $(TEST)/bin/python -m pytest -n $(WORKERS) --maxprocesses 8 $(ARGS)

# All three run, so that one's findings do not hide another's.
check: $(TEST)/ready-$(KEY)
	@status=0; \
	echo "ruff check ."; $(TEST)/bin/ruff check . || status=1; \
	echo "ruff format --check ."; $(TEST)/bin/ruff format --check . || status=1; \
	echo "mypy --strict"; $(TEST)/bin/mypy --strict || status=1; \
	exit $$status

# Takes some minutes, with JAX and PyTorch where they can be installed; --quick takes one.
bench: $(PEERS)/ready-$(KEY)
	@$(PEERS)/bin/python -m benchmarks.suite $(ARGS)

# Exit code 5 of pytest: no test was selected.
test-peers: $(PEERS)/ready-$(KEY)
	$(PEERS)/bin/python -m pytest -m peers -n $(WORKERS) --maxprocesses 8 $(ARGS) || [ $$? -eq 5 ]

test-course: $(COURSE)/ready-$(KEY)
	COURSE_ALL=1 $(COURSE)/bin/python -m pytest tests/course -n $(WORKERS) --maxprocesses 4 $(ARGS)

functions: $(TEST)/ready-$(KEY)
	$(TEST)/bin/python -m jacobians.tracing.documenting docs/functions.md

# Strict: a link that leads nowhere is an error.
docs: $(DOCS)/ready-$(KEY)
	$(DOCS)/bin/python docs/site.py build/site-pages
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

clean:
	rm -rf $(DEMO) $(TEST) $(PEERS) $(COURSE) $(DOCS) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A new environment in the target's folder.
define environment
	@if [ -z "$(VERSION)" ]; then \
		echo "No Python 3.11 or newer: tried $(or $(PYTHON),python3 python3.13 python3.12 python3.11)." \
			"Install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; fi
	@echo "Setting up $(@D) with Python $(VERSION); this happens once."
	@"$(PYTHON)" -m venv --clear $(@D)
endef
INSTALL = $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable

$(DEMO)/ready-$(KEY): pyproject.toml
	$(environment)
	@$(INSTALL) .
	@touch $@

$(TEST)/ready-$(KEY): pyproject.toml
	$(environment)
	@$(INSTALL) '.[test]'
	@touch $@

$(PEERS)/ready-$(KEY): pyproject.toml
	$(environment)
	@$(INSTALL) '.[test]'
	@$(INSTALL) '.[test,peers]' || \
		echo "The peers could not be installed; tests that need them are skipped." >&2
	@touch $@

$(COURSE)/ready-$(KEY): pyproject.toml
	$(environment)
	@$(INSTALL) '.[test]'
	@$(INSTALL) '.[test,course]' || \
		echo "The graders could not be installed; tests that need them are skipped." >&2
	@touch $@

$(DOCS)/ready-$(KEY): pyproject.toml
	$(environment)
	@$(INSTALL) '.[docs]'
	@touch $@
