#!/usr/bin/env bash
# A rollout renames a container; its helper still takes a variable from the limits of the old name
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment basil-mill --type=json -p '[{"op": "replace", "path": "/spec/template/spec/containers/0/name", "value": "mill-main"}]'
