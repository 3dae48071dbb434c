#!/usr/bin/env bash
# A Job fails each time on a file that is not there and gives up
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: tax-import
  namespace: ${NS}
  labels:
    app: tax-import
spec:
  backoffLimit: 1
  template:
    metadata:
      labels:
        app: tax-import
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: import
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'echo "tax-import: open /in/2026.csv: no such file or directory"; exit 1'
      restartPolicy: Never
YAML
