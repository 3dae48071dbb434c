#!/usr/bin/env bash
# A workload and its Service move to another container port, the policy still opens the old one only
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ore-store
  namespace: ${NS}
  labels:
    app: ore-store
spec:
  replicas: 1
  selector:
    matchLabels:
      app: ore-store
  template:
    metadata:
      labels:
        app: ore-store
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |-
          mkdir -p /srv && echo ore-store >/srv/index.html
          exec httpd -f -p 9090 -h /srv
        ports:
        - name: http
          containerPort: 9090
        readinessProbe:
          httpGet:
            path: /
            port: 9090
          periodSeconds: 2
          failureThreshold: 3
YAML
