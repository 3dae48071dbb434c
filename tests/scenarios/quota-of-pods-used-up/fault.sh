#!/usr/bin/env bash
# A workload is scaled beyond the number of pods that the quota of its namespace allows
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment voucher --replicas=5
