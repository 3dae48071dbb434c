#!/usr/bin/env bash
# A hardening change demands a user other than root; the image runs as root
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment mosaic --type=merge -p '{"spec":{"template":{"spec":{"securityContext":{"runAsNonRoot":true}}}}}'
