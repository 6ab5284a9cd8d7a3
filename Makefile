# make run     create .venv, install what is locked, start the app on http://localhost:8501
# make test    the same with the development requirements and Chromium, then lint and all tests
# make setup   only install;  make demo   rebuild the demo set (needs espeak-ng);  make clean
# make models  train the shipped model from the recordings in $PHONOSCOPE_SHARED (../shared)
# make serve   open it to the network, for a class room (docs/serving.md)
# make audit   known holes in what is locked

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
export NUMBA_CACHE_DIR ?= $(CURDIR)/.numba_cache

.PHONY: run serve setup setup-dev chromium test lint format lock audit demo models clean

run: setup
	$(BIN)/streamlit run app.py --server.port $(PORT)

# For a class room: says what it opens; see docs/serving.md.
serve: setup
	$(BIN)/python -m core serve --port $(PORT)

setup: $(VENV)/.installed

setup-dev: $(VENV)/.installed-dev

$(VENV)/.installed: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(VENV)/.installed-dev: requirements-dev.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@ $(VENV)/.installed

# Browser tests drive Debian's Chromium; elsewhere set PHONOSCOPE_CHROMIUM to a browser.
chromium:
	@if [ -n "$$PHONOSCOPE_CHROMIUM" ] || command -v chromium >/dev/null; then :; \
	elif command -v apt-get >/dev/null; then \
	  SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
	  $$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else echo "No Chromium found: install it, or set PHONOSCOPE_CHROMIUM to its path."; exit 1; fi

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# One process for the tests with a browser, one for the others: see tests/conftest.py.
test: setup-dev chromium lint
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Rewrites both lock files from the ranges (needs the network).
lock: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -p 3.11 requirements.txt -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -p 3.11 requirements-dev.txt -c requirements.lock -o requirements-dev.lock

# Known holes in what is locked (needs the network; says so without).
audit:
	.ci/audit

demo: setup
	$(BIN)/python demo/build.py

models: setup
	$(BIN)/python -m models.build $(if $(CACHE),--cache $(CACHE))

clean:
	rm -rf $(VENV) .venv-audit .numba_cache .pytest_cache .ruff_cache .hypothesis test-results
