#!/usr/bin/env bash
# A readiness probe refers to a port by a name that the container does not have
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: saddle
  namespace: ${NS}
  labels:
    app: saddle
spec:
  replicas: 1
  selector:
    matchLabels:
      app: saddle
  template:
    metadata:
      labels:
        app: saddle
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
          mkdir -p /srv && echo saddle >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /
            port: health
          periodSeconds: 2
          failureThreshold: 3
YAML
