# Thin targets: each sets up what it needs and calls one program. `make` lists them.
VENV   := .venv
BIN    := $(VENV)/bin
PYTHON := $(BIN)/python
NIGHTLY_FUZZ_SECONDS := 600
# Tools read no user site and no leftovers of the calling shell.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
export PYTHONDONTWRITEBYTECODE := 1
# Certificates of the system, as pip goes by: a machine behind a private authority has them there.
export UV_SYSTEM_CERTS := 1

.PHONY: help setup demo demo-down test check check-native faults fuzz nightly generate format lock images bench clean
.DEFAULT_GOAL := help

help: ## List the targets.
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Make the virtual environment from the locked requirements.

$(VENV)/.installed: requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	@sh tests/testbed/venv.sh $(VENV)
	@touch $@

demo: setup ## Everything from nothing: cluster, chart, a real nginx's log into a real Kafka. Shows it happening.
	@$(PYTHON) -m tests.demo up

demo-down: setup ## Take the demo and its cluster down; keep what was built.
	@$(PYTHON) -m tests.demo down

test: setup ## Every test: unit, integration (API server, Kafka), end to end (two nodes, Envoy, the chart).
	@$(PYTHON) -m pytest tests -n 2 --dist loadscope -m "not nightly"

check: setup ## Format, lint, types, layers, generated files, unit tests. About two minutes on two cores.
	@! git grep -nE '^(<<<<<<<|>>>>>>>) ' -- . || { echo "settle the conflicts above"; exit 1; }
	@$(BIN)/ruff format --quiet --check . || { echo "run 'make format'"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > .lint-imports.log 2>&1 || { cat .lint-imports.log; exit 1; }
	@$(PYTHON) -m headgate_operator.api.crd --check
	@$(PYTHON) -m pytest -q -n 2 -m "not thorough" tests/unit

faults: setup ## Outages of all of Kafka, then 200 runs of faults by seed, with real durations: hours, for nights. Some: make faults ARGS="--runs 20 --scale quick".
	@$(PYTHON) -m tests.faults $(ARGS)

check-native: setup ## The gateway's unit tests against its compiled modules, as its image has them. Some minutes.
	@$(BIN)/uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements/compile.txt
	@rm -rf .native && mkdir .native && cp -r gateway/headgate_gateway .native/
	@$(PYTHON) gateway/build_native.py .native >.native/build.log 2>&1 || { tail -n 40 .native/build.log; exit 1; }
	@PYTHONPATH=.native $(PYTHON) -c 'import headgate_gateway.http.express as m; assert m.__file__.endswith(".so")'
	@PYTHONPATH=.native $(PYTHON) -m pytest -q -n 2 tests/unit/gateway tests/unit/pipeline tests/unit/kafka tests/unit/spool

fuzz: setup ## Fuzz parser, requests and decoders with atheris, a minute each; longer: make fuzz ARGS="--seconds 600 parser".
	@$(BIN)/uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements/fuzz.txt
	@$(PYTHON) -m tests.fuzz $(ARGS)

# Each line is one thing that takes long; all are run, whichever fails, and then the target fails.
nightly: setup ## What is too long for make test: fuzzing, each fault by itself, make faults, the compiled modules. Hours.
	@failed=; \
	$(MAKE) --no-print-directory fuzz ARGS="--seconds $(NIGHTLY_FUZZ_SECONDS)" || failed="$$failed fuzz"; \
	$(PYTHON) -m pytest tests -m nightly || failed="$$failed pytest"; \
	$(MAKE) --no-print-directory check-native || failed="$$failed check-native"; \
	$(MAKE) --no-print-directory faults || failed="$$failed faults"; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

generate: setup ## Write what is generated: CRDs, the chart's copies and its values schema.
	@$(PYTHON) -m headgate_operator.api.crd
	@$(PYTHON) -m tests.unit.chart.values_schema

format: setup ## Format the code, and mend what the linter can.
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

lock: setup ## Compile the locked requirements afresh from pyproject.toml.
	@sh tests/testbed/lock.sh $(BIN)/uv

images: setup ## Build the operator's and the gateway's images with the testbed's engine.
	@$(PYTHON) -m tests.testbed images

bench: setup ## Measure, and write docs/performance.md. About an hour; some of it: make bench ARGS="--only singles bodies".
	@$(PYTHON) -m tests.bench $(ARGS)

clean: ## Remove all that was made: cluster, containers, our engine, caches, the virtual environment.
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m tests.testbed clean; fi
	@rm -rf $(VENV) .fuzz .native .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .lint-imports.log dist
