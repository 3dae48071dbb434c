#!/usr/bin/env bash
# A second zone is cordoned, so the spread constraint leaves a new pod no place
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl cordon "${NS}-b"
k scale deployment turbine --replicas=4
