#!/usr/bin/env bash
# Negative control: a value in a ConfigMap is changed to another valid one and its workload is restarted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch configmap room-plan-settings --type=merge -p '{"data":{"MAX_ROOMS":"60"}}'
k rollout restart deployment room-plan
