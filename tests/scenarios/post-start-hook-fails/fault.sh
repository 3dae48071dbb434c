#!/usr/bin/env bash
# A hook after the start of the container fails, so the container is stopped each time
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: concierge
  namespace: ${NS}
  labels:
    app: concierge
spec:
  replicas: 1
  selector:
    matchLabels:
      app: concierge
  template:
    metadata:
      labels:
        app: concierge
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
          mkdir -p /srv && echo concierge >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        lifecycle:
          postStart:
            exec:
              command:
              - sh
              - -c
              - cat /etc/concierge/registry-token
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
