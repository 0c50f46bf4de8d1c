# `make run` and `make test` are all a newcomer needs; both install what is missing first.

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
DOCS := .venv/.docs
TOPIC ?= all

.PHONY: setup run test lint docs atlas bench peers readme survive

setup: $(INSTALLED)

# Re-made when the dependencies change; the package itself is installed in place.
$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Engrax needs Python 3.11 or newer; install it or set PYTHON."; exit 1; }
	@echo "Installing into .venv (once; some minutes)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	@touch $@

# The headline claim of counter-current learning, measured on handwritten digits.
run: $(INSTALLED)
	@$(BIN)/engrax run counter_current --headline

test: $(INSTALLED)
	$(BIN)/pytest -n 2

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

# The site, in site/: open site/index.html, or serve the folder. Needs no network once installed.
docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

$(DOCS): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[docs]'
	@touch $@

# Builds the site and looks at every page in headless Chromium.
atlas: docs
	$(BIN)/pytest -p no:randomly docs/test_site.py

# make bench TOPIC=credit runs one topic; without TOPIC all of them, but those without their peers.
bench: $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[peers]'
	$(BIN)/engrax bench $(TOPIC)

# Peers that bring their own versions of what we use have an environment each, beside ours.
peers: .peers/brian .peers/avalanche

.peers/brian:
	@$(PYTHON) -m venv $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check brian2 \
		|| { rm -r $@; exit 1; }

.peers/avalanche: $(INSTALLED)
	@$(PYTHON) -m venv $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[peers]' avalanche-lib || { rm -r $@; exit 1; }

# Writes the table of studies into README.md from the ledger in results/.
readme: $(INSTALLED)
	$(BIN)/python -m engrax.lab.readme

# Kills real studies 300 times and lets every system call fail; a quarter of an hour, into docs/survival.md.
survive: $(INSTALLED)
	$(BIN)/python -m tests.survival --kills 300 --faults 3
