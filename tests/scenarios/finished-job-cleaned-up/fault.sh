#!/usr/bin/env bash
# Negative control: a completed Job is removed by its time to live, with its pod
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: menu-translate
  namespace: ${NS}
  labels:
    app: menu-translate
spec:
  ttlSecondsAfterFinished: 3
  template:
    metadata:
      labels:
        app: menu-translate
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: translate
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'echo "menu: 40 lines"; sleep 2'
      restartPolicy: Never
YAML
