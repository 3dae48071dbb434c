#!/usr/bin/env bash
# A rollout of a StatefulSet asks for a RuntimeClass that does not exist; the pod that was stopped cannot be created again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch statefulset elm-ring --type=merge -p '{"spec": {"template": {"spec": {"runtimeClassName": "sealed-vm-${NS}"}}}}'
