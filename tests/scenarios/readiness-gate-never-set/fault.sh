#!/usr/bin/env bash
# A rollout adds a readiness gate whose condition nobody sets; the containers are ready, the pods never are
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment cable-car --type=merge -p '{"spec":{"template":{"spec":{"readinessGates":[{"conditionType":"lb.example.org/registered"}]}}}}'
