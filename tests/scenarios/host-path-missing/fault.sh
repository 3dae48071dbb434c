#!/usr/bin/env bash
# A rollout mounts a directory of the node that is not there
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: tape-index
  namespace: ${NS}
  labels:
    app: tape-index
spec:
  replicas: 1
  selector:
    matchLabels:
      app: tape-index
  template:
    metadata:
      labels:
        app: tape-index
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
          mkdir -p /srv && echo tape-index >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        volumeMounts:
        - name: tapes
          mountPath: /tapes
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
      - name: tapes
        hostPath:
          path: /mnt/tapes-07
          type: Directory
YAML
