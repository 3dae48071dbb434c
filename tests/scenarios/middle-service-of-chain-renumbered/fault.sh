#!/usr/bin/env bash
# Of three Services in a chain the middle one gets another port; the pods behind it are well, the one before it is not
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service fig-mid --type=json -p '[{"op": "replace", "path": "/spec/ports/0/port", "value": 8000}]'
