#!/usr/bin/env bash
# A rollout adds all variables of a ConfigMap that was never created
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: tide-gauge
  namespace: ${NS}
  labels:
    app: tide-gauge
spec:
  replicas: 1
  selector:
    matchLabels:
      app: tide-gauge
  template:
    metadata:
      labels:
        app: tide-gauge
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
          mkdir -p /srv && echo tide-gauge >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        envFrom:
        - configMapRef:
            name: tide-gauge-base
        - configMapRef:
            name: tide-gauge-harbour
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
