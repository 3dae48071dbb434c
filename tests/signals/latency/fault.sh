#!/usr/bin/env bash
# All requests are slow
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/orders -- touch /tmp/slow
