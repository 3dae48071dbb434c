#!/usr/bin/env bash
# Negative control: an indexed Job of four short pods, two at a time, is created and completes
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: loom-weave
  namespace: ${NS}
spec:
  completions: 4
  parallelism: 2
  completionMode: Indexed
  backoffLimit: 1
  template:
    metadata:
      labels:
        app: loom-weave
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
      - name: weave
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'sleep 3; echo "loom-weave: part $JOB_COMPLETION_INDEX woven"'
YAML
