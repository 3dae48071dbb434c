#!/usr/bin/env bash
# A cleanup removes fsGroup; the program runs as user 1000 and can no longer read its key, which only root may
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment newt-sign --type=json -p '[{"op": "remove", "path": "/spec/template/spec/securityContext/fsGroup"}]'
