#!/usr/bin/env bash
# A claim asks for more than the only volume of its class has
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: coin-vault-data
  namespace: ${NS}
spec:
  accessModes:
  - ReadWriteOnce
  resources:
    requests:
      storage: 5Gi
  storageClassName: ${NS}-steel
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: coin-vault
  namespace: ${NS}
  labels:
    app: coin-vault
spec:
  replicas: 1
  selector:
    matchLabels:
      app: coin-vault
  template:
    metadata:
      labels:
        app: coin-vault
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
          mkdir -p /srv && echo coin-vault >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        volumeMounts:
        - name: data
          mountPath: /data
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
      - name: data
        persistentVolumeClaim:
          claimName: coin-vault-data
  strategy:
    type: Recreate
YAML
