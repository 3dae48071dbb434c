#!/usr/bin/env bash
# The port of a Service without selector is renamed; its hand-written EndpointSlice still has the old name, so the Service leads nowhere
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service heron-sql --type=json -p '[{"op": "replace", "path": "/spec/ports/0/name", "value": "mysql"}]'
