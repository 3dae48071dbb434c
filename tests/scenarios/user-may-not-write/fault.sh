#!/usr/bin/env bash
# A rollout runs the program as user 1000, who may not write where it keeps its files
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment bottle-count --type=merge -p '{"spec":{"template":{"spec":{"securityContext":{"runAsUser":1000}}}}}'
