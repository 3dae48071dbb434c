#!/usr/bin/env bash
# Negative control: a ResourceQuota and a LimitRange arrive with much room, and the workload is scaled within it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: ResourceQuota
metadata:
  name: team-kiln
  namespace: ${NS}
spec:
  hard:
    pods: '20'
    requests.cpu: '2'
    limits.memory: 4Gi
---
apiVersion: v1
kind: LimitRange
metadata:
  name: team-kiln
  namespace: ${NS}
spec:
  limits:
  - type: Container
    max:
      memory: 1Gi
    defaultRequest:
      cpu: 10m
      memory: 16Mi
    default:
      cpu: 200m
      memory: 64Mi
YAML
k scale deployment kiln-log --replicas=3
