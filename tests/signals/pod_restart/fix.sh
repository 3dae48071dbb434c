#!/usr/bin/env bash
# It does not hang any more
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/lift -c keeper -- rm -f /state/hung
