#!/usr/bin/env bash
# The pod says that it is not ready
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/desk -- touch /tmp/drained
