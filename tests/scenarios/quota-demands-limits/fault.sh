#!/usr/bin/env bash
# A new quota counts memory limits, and the next rollout has none: its pods are refused
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: ResourceQuota
metadata:
  name: team-lending
  namespace: ${NS}
spec:
  hard:
    limits.memory: 2Gi
YAML
k set env deployment loan-file PAGE=20
