#!/usr/bin/env bash
# One pod computes without a pause
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/render -- touch /tmp/busy
