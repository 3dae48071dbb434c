#!/usr/bin/env bash
# Negative control: a Job with three pods of a few seconds runs to its end beside a workload
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: ledger-closing
  namespace: ${NS}
  labels:
    app: ledger-closing
spec:
  completions: 3
  parallelism: 2
  backoffLimit: 2
  template:
    metadata:
      labels:
        app: ledger-closing
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: close
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - echo "closing books"; sleep 6; echo "books closed"
      restartPolicy: Never
YAML
