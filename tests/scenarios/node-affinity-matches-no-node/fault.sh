#!/usr/bin/env bash
# A rollout requires a zone in which there is no node
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: weather-mast
  namespace: ${NS}
  labels:
    app: weather-mast
spec:
  replicas: 2
  selector:
    matchLabels:
      app: weather-mast
  template:
    metadata:
      labels:
        app: weather-mast
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
          mkdir -p /srv && echo weather-mast >/srv/index.html
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
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions:
              - key: topology.kubernetes.io/zone
                operator: In
                values:
                - north-3
                - north-4
YAML
