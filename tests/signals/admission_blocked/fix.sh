#!/usr/bin/env bash
# One may go
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch poddisruptionbudget night-bus --type=merge -p '{"spec":{"minAvailable":1}}'
