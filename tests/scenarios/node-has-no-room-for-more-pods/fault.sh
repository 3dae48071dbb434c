#!/usr/bin/env bash
# A workload of tiny pods is scaled to forty; the only node of its pool takes thirty
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment mote-pack --replicas=40
