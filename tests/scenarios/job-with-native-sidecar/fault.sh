#!/usr/bin/env bash
# Negative control: a Job whose sidecar is an init container that is always restarted completes
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: tax-export
  namespace: ${NS}
  labels:
    app: tax-export
spec:
  template:
    metadata:
      labels:
        app: tax-export
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: export
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'sleep 4; echo "export: 31 files"'
      restartPolicy: Never
      initContainers:
      - name: proxy
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "proxy: idle"; sleep 5; done'
        restartPolicy: Always
YAML
