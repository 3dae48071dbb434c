#!/usr/bin/env bash
# Negative control: a canary with other settings joins the pods behind a Service
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: basket-canary
  namespace: ${NS}
  labels:
    app: basket-canary
spec:
  replicas: 1
  selector:
    matchLabels:
      app: basket-canary
  template:
    metadata:
      labels:
        app: basket-canary
        shop: basket
        track: canary
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
          mkdir -p /srv && echo basket-canary >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        env:
        - name: REVISION
          value: '42'
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
