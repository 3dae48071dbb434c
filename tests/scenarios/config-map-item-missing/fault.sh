#!/usr/bin/env bash
# A volume lists a key as an item that its ConfigMap does not have
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: press
  namespace: ${NS}
  labels:
    app: press
spec:
  replicas: 1
  selector:
    matchLabels:
      app: press
  template:
    metadata:
      labels:
        app: press
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
          mkdir -p /srv && echo press >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        volumeMounts:
        - name: layout
          mountPath: /layout
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
      - name: layout
        configMap:
          name: press-layout
          items:
          - key: frontpage.css
            path: main.css
YAML
