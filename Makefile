# Every target says in one line what it does: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
# The first build takes a while and shows itself; later ones are quiet.
XTASK := $(CARGO) run $(if $(wildcard target/debug/xtask),-q) -p xtask --

.PHONY: help demo test bench scenarios signals cluster cluster-down cookbook lint crds image chart

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Break a real Deployment on a real Kubernetes and watch it being healed (FAULT=bad-image|bad-config|oom|readiness|unschedulable).
	$(XTASK) demo $(if $(FAULT),--fault $(FAULT)) $(DEMO_ARGS)

test: ## Run every test: pure ones, those on a real API server, those on real pods.
	$(XTASK) test

bench: ## Measure detection, planning, storm, first look, memory, and print them beside their targets.
	$(XTASK) bench $(BENCH_ARGS)

scenarios: ## Break real workloads in every known way and score what the platform says (DIR=folder of cases, SCENARIOS_ARGS="--only NAME --keep --jobs N").
	$(XTASK) scenarios $(if $(DIR),--dir $(DIR)) $(SCENARIOS_ARGS)

signals: ## Make every signal by its cause on a real cluster: seconds to its Anomaly, seconds to its end (SIGNALS_ARGS="--only NAME --keep --report-only").
	$(XTASK) signals $(SIGNALS_ARGS)

cluster: ## Start a local Kubernetes with real pods and print how to use it (MODE=node|control-plane, NODES=… simulated ones).
	$(XTASK) cluster up $(if $(MODE),--mode $(MODE),--mode node) $(if $(NODES),--nodes $(NODES))

cluster-down: ## Stop the clusters of `make cluster` and `make demo` and remove everything they left on the machine (NAME=… for another).
	$(XTASK) cluster down $(if $(NAME),--name $(NAME))

cookbook: ## Run the production cookbook command by command on a real cluster; one line per promise (COOKBOOK_ARGS=--keep to look around).
	$(XTASK) cookbook $(COOKBOOK_ARGS)

lint: ## Check formatting, lints, architecture, generated files, licences.
	$(XTASK) check

crds: ## Generate the chart's CRDs and roles from the Rust types and the rights of each part.
	$(XTASK) crds
	$(XTASK) rbac

image: ## Build the OCI image without a Docker daemon: target/chatcli-image.tar, for ctr, docker load and kind load (IMAGE_ARGS=…).
	$(XTASK) image $(IMAGE_ARGS)

chart: ## Check the chart with helm.
	$(XTASK) chart
