#!/usr/bin/env bash
# As many pods must be available as there are
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch poddisruptionbudget night-bus --type=merge -p '{"spec":{"minAvailable":2}}'
