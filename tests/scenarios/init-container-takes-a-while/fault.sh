#!/usr/bin/env bash
# Negative control: a rollout adds an init container that works for ten seconds before the pod starts
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: palette
  namespace: ${NS}
  labels:
    app: palette
spec:
  replicas: 1
  selector:
    matchLabels:
      app: palette
  template:
    metadata:
      labels:
        app: palette
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
          mkdir -p /srv && echo palette >/srv/index.html
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
      - name: warm
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - echo "fetching colours"; sleep 10; echo "done"
YAML
