#!/usr/bin/env bash
# A private image is used with an imagePullSecret that does not exist
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: blueprint
  namespace: ${NS}
  labels:
    app: blueprint
spec:
  replicas: 1
  selector:
    matchLabels:
      app: blueprint
  template:
    metadata:
      labels:
        app: blueprint
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: registry.drawings.invalid/plans/blueprint:7.1
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |-
          mkdir -p /srv && echo blueprint >/srv/index.html
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
      imagePullSecrets:
      - name: drawings-pull
YAML
