#!/usr/bin/env bash
# A Service is set to internalTrafficPolicy Local while its only pod is on another node than its client
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service lens-store --type=merge -p '{"spec":{"internalTrafficPolicy":"Local"}}'
