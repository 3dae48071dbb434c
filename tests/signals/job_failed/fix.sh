#!/usr/bin/env bash
# Another Job has its input, and the failed one is removed
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: import-again
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
        command: [sh, -c, 'echo "import: 1 of 1"']
YAML
k wait --for=condition=Complete job/import-again --timeout=60s
k delete job import --wait=false
