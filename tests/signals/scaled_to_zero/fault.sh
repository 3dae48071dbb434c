#!/usr/bin/env bash
# Nobody is left to serve
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment exhibit --replicas=0
