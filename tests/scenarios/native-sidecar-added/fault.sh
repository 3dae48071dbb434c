#!/usr/bin/env bash
# Negative control: a rollout adds a sidecar as an init container that is always restarted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ward-round
  namespace: ${NS}
  labels:
    app: ward-round
spec:
  replicas: 1
  selector:
    matchLabels:
      app: ward-round
  template:
    metadata:
      labels:
        app: ward-round
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
          mkdir -p /srv && echo ward-round >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /
            port: 8080
          periodSeconds: 2
          failureThreshold: 3
      initContainers:
      - name: log-shipper
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "log-shipper: 0 lines behind"; sleep 5; done'
        restartPolicy: Always
YAML
