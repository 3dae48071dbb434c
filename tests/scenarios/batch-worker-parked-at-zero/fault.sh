#!/usr/bin/env bash
# Negative control: an operator parks a worker that nobody calls at zero replicas and writes the reason on it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k annotate deployment dye-recalculation example.org/parked="season is over, back in March"
k scale deployment dye-recalculation --replicas=0
