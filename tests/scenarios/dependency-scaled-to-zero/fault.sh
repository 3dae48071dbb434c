#!/usr/bin/env bash
# The store was scaled to zero; its caller, which needs it, is no longer ready
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale statefulset parts-store --replicas=0
