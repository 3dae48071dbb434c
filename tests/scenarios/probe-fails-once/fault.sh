#!/usr/bin/env bash
# Negative control: a readiness probe fails once, below its threshold, and succeeds again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

pod=$(k get pods -l app=gauge -o jsonpath='{.items[0].metadata.name}')
k exec "$pod" -- touch /tmp/busy
sleep 6
k exec "$pod" -- rm /tmp/busy
