#!/usr/bin/env bash
# A rollout asks for a privileged container in a namespace that enforces the baseline level
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: packet-view
  namespace: ${NS}
  labels:
    app: packet-view
spec:
  replicas: 1
  selector:
    matchLabels:
      app: packet-view
  template:
    metadata:
      labels:
        app: packet-view
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
          mkdir -p /srv && echo packet-view >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        securityContext:
          privileged: true
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
