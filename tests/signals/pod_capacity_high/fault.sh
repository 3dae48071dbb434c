#!/usr/bin/env bash
# Many small pods on one node
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment sleepers --replicas=28
k rollout status deployment sleepers --timeout=90s
