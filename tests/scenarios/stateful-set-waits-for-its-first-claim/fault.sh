#!/usr/bin/env bash
# A new StatefulSet asks for volumes of a class that does not exist; its first pod waits, and the others wait for it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: barrel-index
  namespace: ${NS}
spec:
  selector:
    app: barrel-index
  ports:
  - name: http
    port: 8080
    targetPort: 8080
  clusterIP: None
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: barrel-index
  namespace: ${NS}
  labels:
    app: barrel-index
spec:
  replicas: 3
  serviceName: barrel-index
  selector:
    matchLabels:
      app: barrel-index
  template:
    metadata:
      labels:
        app: barrel-index
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
          mkdir -p /srv && echo barrel-index >/srv/index.html
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
  volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes:
      - ReadWriteOnce
      resources:
        requests:
          storage: 32Mi
      storageClassName: ${NS}-oak-ssd
YAML
