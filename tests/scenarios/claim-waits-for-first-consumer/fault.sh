#!/usr/bin/env bash
# Negative control: a claim is created ahead of its workload; its class binds only when a pod comes
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: attic-boxes
  namespace: ${NS}
spec:
  accessModes:
  - ReadWriteOnce
  resources:
    requests:
      storage: 64Mi
  storageClassName: ${NS}-local
YAML
