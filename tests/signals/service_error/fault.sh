#!/usr/bin/env bash
# The selector is misspelt
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service kiosk --type=merge -p '{"spec":{"selector":{"app":"kisok"}}}'
