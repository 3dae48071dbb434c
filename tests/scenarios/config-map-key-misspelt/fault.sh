#!/usr/bin/env bash
# A rollout takes a variable from a key that the ConfigMap does not have
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: crop-map
  namespace: ${NS}
  labels:
    app: crop-map
spec:
  replicas: 1
  selector:
    matchLabels:
      app: crop-map
  template:
    metadata:
      labels:
        app: crop-map
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
          mkdir -p /srv && echo crop-map >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        env:
        - name: UNIT
          valueFrom:
            configMapKeyRef:
              name: crop-map-settings
              key: FIELD_UNITS
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
