#!/usr/bin/env bash
# Negative control: a node gets another label and a taint PreferNoSchedule; its pods stay and a new one still finds its place there
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl label node "${NS}-a" rack=r12 --overwrite
kubectl taint node "${NS}-a" "review=${NS}:PreferNoSchedule"
k scale deployment dew-count --replicas=3
