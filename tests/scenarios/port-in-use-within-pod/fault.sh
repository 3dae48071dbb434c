#!/usr/bin/env bash
# A rollout adds a second container that listens on the port of the first one
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: gallery-wall
  namespace: ${NS}
  labels:
    app: gallery-wall
spec:
  replicas: 1
  selector:
    matchLabels:
      app: gallery-wall
  template:
    metadata:
      labels:
        app: gallery-wall
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
          mkdir -p /srv && echo gallery-wall >/srv/index.html
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
      - name: stats
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'sleep 2; mkdir -p /stats; echo "stats: listening on 8080"; exec httpd -f -p 8080 -h /stats'
YAML
