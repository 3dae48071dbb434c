#!/usr/bin/env bash
# It is right again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service kiosk --type=merge -p '{"spec":{"selector":{"app":"kiosk"}}}'
