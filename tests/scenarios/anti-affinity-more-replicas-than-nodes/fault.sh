#!/usr/bin/env bash
# A workload that allows one pod per node is scaled to three, its pool has two nodes
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment quorum --replicas=3
