#!/usr/bin/env bash
# Negative control: a rollout refers to a ConfigMap, a Secret and a key that do not exist, all three marked optional
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: sail-loft
  namespace: ${NS}
  labels:
    app: sail-loft
spec:
  replicas: 1
  selector:
    matchLabels:
      app: sail-loft
  template:
    metadata:
      labels:
        app: sail-loft
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
          mkdir -p /srv && echo sail-loft >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        env:
        - name: LICENCE
          valueFrom:
            secretKeyRef:
              name: sail-loft-licence
              key: code
              optional: true
        envFrom:
        - configMapRef:
            name: sail-loft-overrides
            optional: true
        volumeMounts:
        - name: extra
          mountPath: /etc/extra
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
      - name: extra
        secret:
          secretName: sail-loft-extra
          optional: true
YAML
