#!/usr/bin/env bash
# A hardening change mounts the script that a container starts with mode 0444; it cannot be executed
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment kelp-run --type=json -p '[{"op": "replace", "path": "/spec/template/spec/volumes/0/configMap/defaultMode", "value": 292}]'
