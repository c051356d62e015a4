# Everything a newcomer needs: `make run`, `make demo`, `make test`.

PYTHON ?= python3
# Each worker, and each process that a test starts, would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# A busy machine makes some tests fail: what failed runs once more, alone. A tree that is broken
# fails a few times again, and no rerun is worth more than ten minutes. pytest exits with 1 for
# failed tests alone: no rerun mends too little coverage, or a run that did not end.
ALONE := [ $$? -eq 1 ] && $(BIN)/python -m pytest --last-failed --last-failed-no-failures none -rA \
	--maxfail 5 --session-timeout 600

.PHONY: run demo test test-both test-fast coverage screenshots lint lock dist manifests clean

run: .venv/ready ## serve on http://127.0.0.1:8080
	@$(BIN)/gitpip serve

demo: .venv/ready ## the whole loop against built-in stand-ins, without any account
	@$(BIN)/gitpip demo

test: .venv/ready-dev ## every test, most cases on SQLite or PostgreSQL in turn
	$(BIN)/python -m pytest -p tests.support.covered --covered 88 \
		--numprocesses 3 --dist worksteal --one-database || { $(ALONE); }

test-both: export HYPOTHESIS_PROFILE = thorough
test-both: .venv/ready-dev ## every test, every case on both databases, with all Hypothesis examples
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal || { $(ALONE); }

test-fast: .venv/ready-dev ## tests without processes, browsers and long trials, in two minutes
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal -m "not processes and not long"

coverage: .venv/ready-dev ## every test, and which lines and branches they reach, into htmlcov
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest --numprocesses 3 --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet --skip-covered
	$(BIN)/coverage report --skip-covered

screenshots: .venv/ready-dev ## pictures of every page, into docs/pictures
	$(BIN)/python -m tests.journeys.screenshots docs/pictures

lint: .venv/ready-dev ## style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

dist: .venv/ready-dev ## a wheel, and one file each for Linux and macOS that needs but a Python
	rm -rf dist
	$(BIN)/hatchling build
	for target in "linux x86_64" "linux aarch64" "macos x86_64" "macos arm64"; do \
		PYTHON=$(BIN)/python deploy/build-single-file.sh $$target || exit 1; \
	done

manifests: .venv/ready-dev ## the plain Kubernetes manifests, from the Helm chart
	$(BIN)/helm template gitpip deploy/helm/gitpip --namespace gitpip > deploy/kubernetes/gitpip.yaml

lock: .venv/ready-dev ## pin the newest dependencies that fit pyproject.toml
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-emit-index-url --no-header -o requirements.txt pyproject.toml
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-emit-index-url --no-header --group build -o requirements-build.txt
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-emit-index-url --no-header --group dev -c requirements.txt -o requirements-dev.txt pyproject.toml

clean:
	rm -rf .venv dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage* htmlcov

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gitpip needs Python 3.11 or newer; name one with make PYTHON=/path/to/python3.x")'
	@$(PYTHON) -m venv .venv

.venv/ready: pyproject.toml requirements.txt requirements-build.txt | .venv/bin/python
	@echo "Installing the locked dependencies into .venv ..."
	@$(INSTALL) --require-hashes -r requirements.txt -r requirements-build.txt
	@$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	@echo "Installing the locked development dependencies into .venv ..."
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@
