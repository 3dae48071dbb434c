#!/usr/bin/env bash
# The default memory limit of a namespace is cut; a workload that sets none of its own is killed after its next restart
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: LimitRange
metadata:
  name: west-habits
  namespace: ${NS}
spec:
  limits:
  - type: Container
    default:
      memory: 16Mi
    defaultRequest:
      memory: 12Mi
YAML
k rollout restart deployment hazel-press
