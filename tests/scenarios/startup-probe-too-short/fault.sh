#!/usr/bin/env bash
# The program needs twenty seconds to start, its new startup probe gives it four
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: glossary
  namespace: ${NS}
  labels:
    app: glossary
spec:
  replicas: 1
  selector:
    matchLabels:
      app: glossary
  template:
    metadata:
      labels:
        app: glossary
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
          echo "building the index"; sleep 20
          mkdir -p /srv && echo glossary >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        startupProbe:
          httpGet:
            path: /
            port: 8080
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
