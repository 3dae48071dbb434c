#!/usr/bin/env bash
# It rests again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

for pod in $(k get pods -l app=render --field-selector=status.phase=Running -o name); do
  k exec "$pod" -- rm -f /tmp/busy
done
