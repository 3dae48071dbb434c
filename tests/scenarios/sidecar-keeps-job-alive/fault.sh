#!/usr/bin/env bash
# The work of a Job is done, but its helper container never ends, so the Job never completes
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: stock-closing
  namespace: ${NS}
  labels:
    app: stock-closing
spec:
  backoffLimit: 1
  template:
    metadata:
      labels:
        app: stock-closing
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: close
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - echo "closing"; sleep 3; echo "closed"
      - name: metrics-proxy
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "metrics-proxy: 0 requests"; sleep 5; done'
      restartPolicy: Never
YAML
