#!/usr/bin/env bash
# A readiness probe gets the host 127.0.0.1, which is the node and not the pod
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment finch-api --type=json -p '[{"op": "add", "path": "/spec/template/spec/containers/0/readinessProbe/httpGet/host", "value": "127.0.0.1"}]'
