#!/usr/bin/env bash
# A class names a provisioner that does not run in this cluster; a new claim waits for it without end
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: quarry-stones
  namespace: ${NS}
spec:
  accessModes:
  - ReadWriteOnce
  resources:
    requests:
      storage: 64Mi
  storageClassName: ${NS}-fast
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: quarry
  namespace: ${NS}
  labels:
    app: quarry
spec:
  replicas: 1
  selector:
    matchLabels:
      app: quarry
  template:
    metadata:
      labels:
        app: quarry
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
          mkdir -p /srv && echo quarry >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        volumeMounts:
        - name: stones
          mountPath: /stones
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
      - name: stones
        persistentVolumeClaim:
          claimName: quarry-stones
  strategy:
    type: Recreate
YAML
