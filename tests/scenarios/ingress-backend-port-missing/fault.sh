#!/usr/bin/env bash
# The port of a Service was renumbered, the Ingress still uses the old number
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service opera-seats --type=json -p '[{"op":"replace","path":"/spec/ports/0/port","value":80}]'
