#!/usr/bin/env bash
# Negative control: a rollout with a slow but healthy start replaces two pods one by one
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: harvest-api
  namespace: ${NS}
  labels:
    app: harvest-api
spec:
  replicas: 2
  selector:
    matchLabels:
      app: harvest-api
  template:
    metadata:
      labels:
        app: harvest-api
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
          sleep 4
          mkdir -p /srv && echo harvest-api >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        env:
        - name: PAGE_SIZE
          value: '80'
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
