#!/usr/bin/env bash
# A workload logs errors all day without harm; beside it a Service loses its pods by a change of its selector
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service feed-api --type=merge -p '{"spec":{"selector":{"app":"feed-api-v2"}}}'
