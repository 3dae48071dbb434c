#!/usr/bin/env bash
# A rollout names a PriorityClass that does not exist
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment dispatch --type=merge -p '{"spec":{"template":{"spec":{"priorityClassName":"gold-tier"}}}}'
