#!/usr/bin/env bash
# A rollout uses a ServiceAccount that does not exist; no pod of it can be created
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: harvester
  namespace: ${NS}
  labels:
    app: harvester
spec:
  replicas: 2
  selector:
    matchLabels:
      app: harvester
  template:
    metadata:
      labels:
        app: harvester
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
          mkdir -p /srv && echo harvester >/srv/index.html
          exec httpd -f -p 8080 -h /srv
        ports:
        - name: http
          containerPort: 8080
        readinessProbe:
          httpGet:
            path: /
            port: 8080
          periodSeconds: 2
          failureThreshold: 3
      serviceAccountName: harvester-ro
YAML
