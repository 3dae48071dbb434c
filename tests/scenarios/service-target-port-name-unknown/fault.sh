#!/usr/bin/env bash
# A rollout renames a container port, the Service still sends to the old port name
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: allotment
  namespace: ${NS}
  labels:
    app: allotment
spec:
  replicas: 2
  selector:
    matchLabels:
      app: allotment
  template:
    metadata:
      labels:
        app: allotment
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
          mkdir -p /srv && echo allotment >/srv/index.html
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
YAML
