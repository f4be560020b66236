# The verbs of this project, for people, hooks and CI alike. Everything installs into $(VENV), from hash-locked
# requirements; nothing is needed beforehand but Python 3.11 or newer and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOCKS := uv local dev
SERVICES := ingress normalizer trigger config
# Every start of a process would compile everything anew, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
  --no-header --no-emit-index-url $(UPGRADE)

.PHONY: help run test chaos soak fuzz check fix bench clean lock

help: ## Show the verbs
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

run: $(VENV)/local ## Run the whole product on this machine, until Ctrl-C
	@$(BIN)/python -m deploy.local.jars
	@exec $(BIN)/python -m deploy.local

test: $(VENV)/dev ## Run every test, a quarter of an hour on two cores; EVERYTHING=1 on both databases also what does not depend on them; ARGS goes to pytest
	@$(BIN)/pytest -n 3 --dist loadgroup --no-loadscope-reorder $(ARGS)

chaos: $(VENV)/dev ## Break everything under load and compare what was said with what is there; SEED, COUNT=200, REPORT; STORAGE=1: memory and disks; ROLLING=1: restarts
	@$(BIN)/python -m tests.chaos $(SEED:%=--seed %) $(COUNT:%=--count %) $(REPORT:%=--report %) $(STORAGE:%=--storage) $(ROLLING:%=--rolling) $(UNNAMED:%=--unnamed) $(PREVIOUS:%=--previous %)

soak: $(VENV)/dev ## Send at a steady rate and watch what every process holds; DURATION=1800 seconds, SEED, REPORT
	@$(BIN)/python -m tests.chaos.soak $(SEED:%=--seed %) $(DURATION:%=--duration %) $(REPORT:%=--report %)

fuzz: $(VENV)/dev ## Fuzz what strangers' bytes come to, and keep what covers more; DURATION=60 seconds for each TARGET
	@$(BIN)/python -m tests.fuzz $(DURATION:%=--duration %) $(TARGET:%=--target %)

check: $(VENV)/dev ## Lint, formatting, types, who may import whom, and known vulnerabilities; OSV, the address of a mirror
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m deploy.audit $(OSV:%=--osv %)

fix: $(VENV)/dev ## Apply what the linter and the formatter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/dev ## Measure everything beside its floors, and write it down; QUICK=1 in two minutes, PART=ingress and others
	@$(BIN)/python -m bench $(QUICK:%=--quick) $(PART:%=--part %)

clean: ## Forget the state of `make run`, and the tools' caches
	@$(PYTHON) -B -m deploy.local.state $${INLET_STATE_DIR:-.local}
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

lock: $(VENV)/dev ## Lock what pyproject.toml asks for; UPGRADE=--upgrade for newer versions
	echo uv | $(COMPILE) - -o requirements/uv.txt
	$(COMPILE) --group pyproject.toml:dev -o requirements/dev.txt
	for group in local $(SERVICES); do \
	  $(COMPILE) -c requirements/dev.txt --group pyproject.toml:$$group -o requirements/$$group.txt || exit; \
	done
	$(BIN)/python -m deploy.local.jars lock

# A changed lock means a new environment, so that nothing stays behind in it.
$(BIN)/uv: $(LOCKS:%=requirements/%.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Inlet needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/local $(VENV)/dev: $(VENV)/%: $(BIN)/uv
	@echo "Installing requirements/$*.txt"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/$*.txt
	@touch $@
