#!/usr/bin/env bash
# The cache is emptied
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/thumbs -- rm -f /cache/fill
