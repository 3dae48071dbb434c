#!/usr/bin/env bash
# A variable stands twice in a container; the later one wins and points nowhere
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k replace -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cargo-manifest
  namespace: ${NS}
  labels:
    app: cargo-manifest
spec:
  replicas: 1
  selector:
    matchLabels:
      app: cargo-manifest
  template:
    metadata:
      labels:
        app: cargo-manifest
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |-
          if [ "$DB_PORT" != 5432 ]; then echo "cargo-manifest: connect to cargo-db:$DB_PORT: connection refused"; sleep 1; exit 1; fi
          while true; do echo "cargo-manifest: list is complete"; sleep 5; done
        env:
        - name: DB_HOST
          value: cargo-db
        - name: DB_PORT
          value: '5432'
        - name: LOG
          value: info
        - name: DB_PORT
          value: '5433'
YAML
