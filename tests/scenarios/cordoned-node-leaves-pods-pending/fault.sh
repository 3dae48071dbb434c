#!/usr/bin/env bash
# The only node of a pool was cordoned and forgotten; the workload is scaled up and its new pods wait
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl cordon "${NS}-a"
sleep 2
k scale deployment kiln-gauge --replicas=3
