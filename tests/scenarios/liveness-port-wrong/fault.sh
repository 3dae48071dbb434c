#!/usr/bin/env bash
# A liveness probe asks a port on which nobody listens; the container is restarted again and again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: aviary
  namespace: ${NS}
  labels:
    app: aviary
spec:
  replicas: 1
  selector:
    matchLabels:
      app: aviary
  template:
    metadata:
      labels:
        app: aviary
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
          mkdir -p /srv && echo aviary >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        livenessProbe:
          httpGet:
            path: /
            port: 8081
          periodSeconds: 2
          failureThreshold: 2
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /
            port: 8080
          periodSeconds: 2
          failureThreshold: 3
YAML
