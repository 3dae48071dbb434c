#!/usr/bin/env bash
# The cache is emptied, and stays so
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/thumbs -- rm -f /tmp/grow /cache/fill
