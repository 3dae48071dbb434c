#!/usr/bin/env bash
# An init container waits for a Service that nobody has created; the pod never starts and nothing fails
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: atelier
  namespace: ${NS}
  labels:
    app: atelier
spec:
  replicas: 1
  selector:
    matchLabels:
      app: atelier
  template:
    metadata:
      labels:
        app: atelier
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
          mkdir -p /srv && echo atelier >/srv/index.html
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
      - name: wait-for-palette
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - until nc -w 1 "$PALETTE_HOST" 6400 </dev/null 2>/dev/null; do echo "waiting for $PALETTE_HOST:6400"; sleep 2; done
        env:
        - name: PALETTE_HOST
          value: palette-cache
YAML
