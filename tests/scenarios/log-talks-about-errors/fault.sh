#!/usr/bin/env bash
# Negative control: a new revision writes the words error, failed and exception in lines that report success
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: claims-check
  namespace: ${NS}
  labels:
    app: claims-check
spec:
  replicas: 1
  selector:
    matchLabels:
      app: claims-check
  template:
    metadata:
      labels:
        app: claims-check
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "INFO error budget left: 99.2 %, failed: 0, exceptions: none"; echo "INFO retry queue is empty, last error: none"; sleep 2; done'
YAML
