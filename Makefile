# The project's commands. `make` alone prints them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help browser-deps fuzz setup lock docs proto format check build image image-report compose-files observability-deps \
  test test-containers demo up \
  down status bench bench-deps bounds chaos simulate clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml scripts/bootstrap
	@scripts/bootstrap
	@touch $@

setup: $(READY) ## install the locked tool chain and dependencies into .venv

lock: ## resolve dependencies again and rewrite requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header -q -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group build --constraints requirements.lock --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header -q -o requirements-build.lock

docs: $(READY) ## write the pages that are made from the code
	$(BIN)/subnetctl explain --page >deployment/ERRORS.md
	$(BIN)/python scripts/write-metrics-page
	$(BIN)/python scripts/write-dashboards

proto: $(READY) ## regenerate the committed protobuf code
	@scripts/generate-proto

format: $(READY) ## rewrite the sources in the project's format
	$(BIN)/ruff format services tests scripts
	$(BIN)/ruff check --fix-only -q services tests scripts

check: $(READY) ## format, lint, types, import contracts, generated code is fresh
	$(BIN)/ruff format --check -q services tests scripts
	$(BIN)/ruff check -q services tests scripts
	$(BIN)/mypy
	$(BIN)/lint-imports
	scripts/generate-proto --check

build: $(READY) ## freeze the binaries for this architecture into bin/
	scripts/build

image: ## pack the binaries into pinai-subnet:latest
	deployment/scripts/build-images.sh

image-report: ## how large the image is, by layer and compressed
	@scripts/image-report

compose-files: $(READY) ## rewrite the committed Compose files and deployment/config from their one source
	cp config/*.yaml deployment/config/
	$(BIN)/subnetctl compose write --kind development --file docker-compose.yml
	$(BIN)/subnetctl compose write --kind deployment --file deployment/docker/docker-compose.yml
	$(BIN)/subnetctl compose prometheus --file deployment/observability/prometheus.yml

observability-deps: ## install what proves the alert rules: Debian's prometheus with promtool; needs root
	apt-get update -q
	apt-get install -y -q --no-install-recommends prometheus
	-systemctl disable --now prometheus prometheus-node-exporter

test: $(READY) ## every test that needs no container engine, WORKERS files at a time (2)
	$(BIN)/pytest -n $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder

browser-deps: ## install what the console's tests look at it with: Debian's chromium; needs root
	apt-get update -q
	apt-get install -y -q --no-install-recommends chromium chromium-driver fonts-dejavu-core

test-containers: $(READY) ## build, pack, and test what is shipped on a container engine (started if there is none)
	@[[ -x bin/subnetctl && -z "$$(git status --porcelain -- services config)" && \
	  "$$(bin/subnetctl --version)" == *"$$(git rev-parse --short=12 HEAD)"* ]] || scripts/build
	scripts/with-engine bash -c 'deployment/scripts/build-images.sh && scripts/image-report && \
	  $(BIN)/pytest tests/containers -m containers -rP --timeout 900 $(CONTAINER_TESTS)'

demo: $(READY) ## the whole network on real processes, intents finalised, the leader killed once
	$(BIN)/subnetctl demo

up: $(READY) ## start the development network and leave it running
	$(BIN)/subnetctl up

down: $(READY) ## stop the development network
	$(BIN)/subnetctl down

status: $(READY) ## is the development network healthy
	$(BIN)/subnetctl status

fuzz: $(READY) ## coverage-guided fuzzing of every way in, SECONDS each (20); SURFACE=name for one
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),20) $(if $(SURFACE),--surface $(SURFACE))

bench: $(READY) ## measure speed and memory; ONLY="section ..."; prints a table, writes JSON to build/bench/
	$(BIN)/python -m tests.bench $(foreach section,$(ONLY),--only $(section))

bench-deps: ## install what `make bench` compares with: Debian's etcd-server; needs root
	apt-get update -q
	apt-get install -y -q --no-install-recommends etcd-server
	-systemctl disable --now etcd

bounds: $(READY) ## very many intents through one ledger: INTENTS=1000000; disk, memory and time stay bounded
	$(BIN)/python -m tests.bench.bounds --intents $(or $(INTENTS),1000000)

chaos: $(READY) ## kill, freeze, fill, drop packets under load: ROUNDS=18 SEED=1; writes JSON to build/chaos/
	$(BIN)/python -m tests.chaos $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED))

simulate: $(READY) ## engines and whole validators under seeded faults: SEEDS=n (2000), SEED=k replays one
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),2000))

clean: ## remove what setup and the demo made (not the development network's data)
	rm -rf .venv build bin dist .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
