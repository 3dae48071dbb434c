#!/usr/bin/env bash
# A volume that is large enough
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolume
metadata:
  name: ${NS}-large
  labels:
    scenario: ${NS}
spec:
  capacity:
    storage: 8Gi
  accessModes:
  - ReadWriteOnce
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ${NS}-steel
  hostPath:
    path: /tmp/scenario-${NS}-large
    type: DirectoryOrCreate
YAML
