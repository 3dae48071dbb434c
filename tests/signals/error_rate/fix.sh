#!/usr/bin/env bash
# They are served again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/orders -- rm -f /tmp/broken
