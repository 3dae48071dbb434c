#!/usr/bin/env bash
# They are back
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment exhibit --replicas=2
