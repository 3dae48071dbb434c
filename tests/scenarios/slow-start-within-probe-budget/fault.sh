#!/usr/bin/env bash
# Negative control: a new revision needs twelve seconds to listen; its startup probe allows forty
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: map-index
  namespace: ${NS}
  labels:
    app: map-index
spec:
  replicas: 1
  selector:
    matchLabels:
      app: map-index
  template:
    metadata:
      labels:
        app: map-index
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
          echo "loading 3 GB of tiles"; sleep 12
          mkdir -p /srv && echo map-index >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        startupProbe:
          httpGet:
            path: /
            port: 8080
          periodSeconds: 2
          failureThreshold: 20
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
