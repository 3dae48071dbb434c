#!/usr/bin/env bash
# A rollout renames a variable that the sub-path of a mount is made of
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment mint-log --type=json -p '[{"op": "replace", "path": "/spec/template/spec/containers/0/env/0/name", "value": "SHIFT_NAME"}]'
