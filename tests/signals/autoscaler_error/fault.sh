#!/usr/bin/env bash
# The target is misspelt
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch hpa kiosk --type=merge -p '{"spec":{"scaleTargetRef":{"name":"kisok"}}}'
