#!/usr/bin/env bash
# Negative control: a workload that listens on a port it does not declare gets a Service and a probe on that port
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: oven-panel
  namespace: ${NS}
spec:
  selector:
    app: oven-panel
  ports:
  - name: http
    port: 80
    targetPort: 9191
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: oven-panel
  namespace: ${NS}
  labels:
    app: oven-panel
spec:
  replicas: 1
  selector:
    matchLabels:
      app: oven-panel
  template:
    metadata:
      labels:
        app: oven-panel
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |-
          mkdir -p /srv && echo oven-panel >/srv/index.html
          exec httpd -f -p 9191 -h /srv
        readinessProbe:
          httpGet:
            path: /
            port: 9191
          periodSeconds: 2
          failureThreshold: 3
YAML
