#!/usr/bin/env bash
# It is right again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch hpa kiosk --type=merge -p '{"spec":{"scaleTargetRef":{"name":"kiosk"}}}'
