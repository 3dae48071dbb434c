#!/usr/bin/env bash
# A claim selects volumes by a label that none of its class has
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: jar-store-jars
  namespace: ${NS}
spec:
  accessModes:
  - ReadWriteOnce
  resources:
    requests:
      storage: 64Mi
  storageClassName: ${NS}-amber
  selector:
    matchLabels:
      shelf: top
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: jar-store
  namespace: ${NS}
  labels:
    app: jar-store
spec:
  replicas: 1
  selector:
    matchLabels:
      app: jar-store
  template:
    metadata:
      labels:
        app: jar-store
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
          mkdir -p /srv && echo jar-store >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        volumeMounts:
        - name: jars
          mountPath: /jars
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
      - name: jars
        persistentVolumeClaim:
          claimName: jar-store-jars
  strategy:
    type: Recreate
YAML
