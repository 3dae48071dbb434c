#!/usr/bin/env bash
# The worker begins to compute without a pause
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/render -- touch /tmp/busy
