#!/usr/bin/env bash
# A PodDisruptionBudget is raised to the number of replicas: no node under these pods can be drained
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch poddisruptionbudget night-bus --type=merge -p '{"spec":{"minAvailable":2}}'
