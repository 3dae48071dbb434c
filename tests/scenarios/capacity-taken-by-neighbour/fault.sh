#!/usr/bin/env bash
# A workload is scaled up on a node whose CPUs a neighbour has reserved nearly whole
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment beam-view --replicas=2
