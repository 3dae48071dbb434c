#!/usr/bin/env bash
# A Job whose input is missing
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: import
  namespace: ${NS}
spec:
  backoffLimit: 0
  template:
    spec:
      terminationGracePeriodSeconds: 1
      restartPolicy: Never
      containers:
      - name: import
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'echo "import: open /in/2026.csv: no such file or directory"; exit 1']
YAML
