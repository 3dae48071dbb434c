#!/usr/bin/env bash
# A new revision is asked for a path that it does not have; it never gets ready and the rollout stands still
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: postcard
  namespace: ${NS}
  labels:
    app: postcard
spec:
  replicas: 2
  selector:
    matchLabels:
      app: postcard
  template:
    metadata:
      labels:
        app: postcard
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
          mkdir -p /srv && echo postcard >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /ready/index
            port: 8080
          periodSeconds: 2
          failureThreshold: 3
  progressDeadlineSeconds: 20
YAML
