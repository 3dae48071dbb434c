#!/usr/bin/env bash
# A rollout of a StatefulSet tidies up the labels of its pods; a variable is taken from one of them and is empty now
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch statefulset lark-post --type=json -p '[{"op": "remove", "path": "/spec/template/metadata/labels/lane"}, {"op": "replace", "path": "/spec/template/metadata/labels/crew", "value": "c"}]'
