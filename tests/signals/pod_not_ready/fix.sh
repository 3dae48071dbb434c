#!/usr/bin/env bash
# It says that it is ready
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/desk -- rm -f /tmp/drained
