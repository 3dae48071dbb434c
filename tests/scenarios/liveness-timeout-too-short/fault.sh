#!/usr/bin/env bash
# A liveness command takes three seconds and its timeout is one
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: clerk
  namespace: ${NS}
  labels:
    app: clerk
spec:
  replicas: 1
  selector:
    matchLabels:
      app: clerk
  template:
    metadata:
      labels:
        app: clerk
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "clerk: file stamped"; sleep 5; done'
        livenessProbe:
          exec:
            command:
            - sh
            - -c
            - sleep 3
          periodSeconds: 3
          timeoutSeconds: 1
          failureThreshold: 2
YAML
