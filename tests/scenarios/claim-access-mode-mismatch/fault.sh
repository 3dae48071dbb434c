#!/usr/bin/env bash
# A claim asks for ReadWriteMany, the volume that was made for it offers ReadWriteOnce only
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: film-store-reels
  namespace: ${NS}
spec:
  accessModes:
  - ReadWriteMany
  resources:
    requests:
      storage: 64Mi
  storageClassName: ${NS}-flint
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: film-store
  namespace: ${NS}
  labels:
    app: film-store
spec:
  replicas: 1
  selector:
    matchLabels:
      app: film-store
  template:
    metadata:
      labels:
        app: film-store
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
          mkdir -p /srv && echo film-store >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        volumeMounts:
        - name: reels
          mountPath: /reels
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
      - name: reels
        persistentVolumeClaim:
          claimName: film-store-reels
  strategy:
    type: Recreate
YAML
