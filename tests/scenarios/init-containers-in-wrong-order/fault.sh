#!/usr/bin/env bash
# A rollout of a StatefulSet swaps two init containers; the one that reads a file now runs before the one that writes it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch statefulset pear-store --type=json -p '[{"op": "replace", "path": "/spec/template/spec/initContainers", "value": [{"name": "migrate", "image": "busybox:1.36", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "if ! cat /work/schema.sql >/dev/null; then echo \"migrate: nothing to apply\"; sleep 1; exit 4; fi; echo \"migrate: applied\""], "volumeMounts": [{"name": "work", "mountPath": "/work"}]}, {"name": "fetch", "image": "busybox:1.36", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "echo \"create table seed\" >/work/schema.sql; echo \"fetch: schema.sql written\""], "volumeMounts": [{"name": "work", "mountPath": "/work"}]}]}]'
