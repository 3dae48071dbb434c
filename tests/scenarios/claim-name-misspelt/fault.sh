#!/usr/bin/env bash
# A rollout mounts a claim under a wrong name
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: saw-mill
  namespace: ${NS}
  labels:
    app: saw-mill
spec:
  replicas: 1
  selector:
    matchLabels:
      app: saw-mill
  template:
    metadata:
      labels:
        app: saw-mill
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
          mkdir -p /srv && echo saw-mill >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        volumeMounts:
        - name: logs
          mountPath: /logs
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /
            port: 8080
          periodSeconds: 2
          failureThreshold: 3
      volumes:
      - name: logs
        persistentVolumeClaim:
          claimName: sawmill-logs
YAML
