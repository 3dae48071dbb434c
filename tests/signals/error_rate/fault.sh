#!/usr/bin/env bash
# All requests fail
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/orders -- touch /tmp/broken
