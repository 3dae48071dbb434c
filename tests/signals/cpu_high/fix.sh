#!/usr/bin/env bash
# It rests again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/render -- rm -f /tmp/busy
