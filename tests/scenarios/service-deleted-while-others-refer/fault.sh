#!/usr/bin/env bash
# A Service was deleted although an Ingress and a workload still refer to it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete service tour-prices
