# make demo    set up .venv here, then train the demo, evaluate it and draw what it learned
# make test    set up with everything that the tests need, then run them all
# make quick   only the quick tests, which end within two minutes on two cores
# make docs    build the documentation in build/site, without the network
# make check   the same checks as before a commit: format, lint, types, file sizes, tests
#
# Choose another Python with `make PYTHON=/path/to/python3.12 demo`.

# A name on the PATH may be an empty shim, so each candidate is asked for its version.
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON := $(shell for name in python3.12 python3.11 python3 python3.13; do \
	$$name -c '$(USABLE)' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
# dm_control needs labmaze, which has no wheel for Python 3.13.
DEV_EXTRAS = $(shell $(BIN)/python -c 'import sys; print("atari,compare,data,dmc,docs,lerobot,minatar,play,dev" if sys.version_info < (3, 13) else "atari,compare,data,docs,lerobot,minatar,play,dev")')

.PHONY: demo test quick docs check clean

demo: .venv/.installed
	$(BIN)/reverie train dreamer_v1 --size laptop

test: .venv/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

quick: .venv/.installed-dev
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile

docs: .venv/.installed-dev
	$(BIN)/python docs/build.py

check: .venv/.installed-dev
	./check

clean:
	rm -rf .venv

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "Reverie needs Python 3.11, 3.12 or 3.13 with the venv module, and none is on the PATH:" \
		"install one (Debian: apt-get install python3 python3-venv) or name it, make PYTHON=/path/to/python3.12." >&2; \
		exit 2; }
	$(PYTHON) -m venv .venv

.venv/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(DEV_EXTRAS)]'
	@touch $@ .venv/.installed
