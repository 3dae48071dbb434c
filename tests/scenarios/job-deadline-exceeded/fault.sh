#!/usr/bin/env bash
# A Job is cut off by its own deadline, which is shorter than its work
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: film-encode
  namespace: ${NS}
  labels:
    app: film-encode
spec:
  activeDeadlineSeconds: 12
  backoffLimit: 2
  template:
    metadata:
      labels:
        app: film-encode
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: encode
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'i=0; while [ $i -lt 300 ]; do echo "film-encode: $i of 300 s"; sleep 1; i=$((i+1)); done'
      restartPolicy: Never
YAML
