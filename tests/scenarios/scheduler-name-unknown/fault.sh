#!/usr/bin/env bash
# A rollout asks for a scheduler that nobody runs; its pods wait without a single event
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment mint --type=merge -p '{"spec":{"template":{"spec":{"schedulerName":"bin-packer"}}}}'
