#!/usr/bin/env bash
# Fewer pods
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment sleepers --replicas=4
