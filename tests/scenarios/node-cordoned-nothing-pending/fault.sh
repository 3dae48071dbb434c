#!/usr/bin/env bash
# Negative control: a node is cordoned for maintenance; its pods stay and nothing waits for a place
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl cordon "${NS}-a"
