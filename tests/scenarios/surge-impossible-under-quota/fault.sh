#!/usr/bin/env bash
# A rollout may not take a pod away and may not add one, for the quota is full: it stands still
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment cinema HALL=4
