#!/usr/bin/env bash
# A rollout moves the readiness command of a StatefulSet to the helper container, whose files are others; it is never ready
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch statefulset crow-mail --type=json -p '[{"op": "remove", "path": "/spec/template/spec/containers/0/readinessProbe"}, {"op": "add", "path": "/spec/template/spec/containers/1/readinessProbe", "value": {"exec": {"command": ["cat", "/tmp/mail.ready"]}, "periodSeconds": 2, "failureThreshold": 3}}]'
