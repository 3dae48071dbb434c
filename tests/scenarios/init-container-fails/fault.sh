#!/usr/bin/env bash
# An init container that prepares the data stops with code 3
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: archive-web
  namespace: ${NS}
  labels:
    app: archive-web
spec:
  replicas: 1
  selector:
    matchLabels:
      app: archive-web
  template:
    metadata:
      labels:
        app: archive-web
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
          mkdir -p /srv && echo archive-web >/srv/index.html
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
      - name: migrate
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'echo "migrating 14 to 15"; sleep 1; echo "ERROR: column \"shelf\" of relation \"boxes\" already exists"; exit 3'
YAML
