#!/usr/bin/env bash
# A claim was deleted and created again; its volume is Released, still tied to the old claim, and cannot bind
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment cellar --replicas=0
k wait --for=delete pod -l app=cellar --timeout=60s
k delete persistentvolumeclaim cellar-casks
k apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: cellar-casks
  namespace: ${NS}
spec:
  accessModes:
  - ReadWriteOnce
  resources:
    requests:
      storage: 64Mi
  storageClassName: ${NS}-cork
YAML
k scale deployment cellar --replicas=1
