#!/usr/bin/env bash
# A liveness probe runs a program that the image does not have
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ice-rink
  namespace: ${NS}
  labels:
    app: ice-rink
spec:
  replicas: 1
  selector:
    matchLabels:
      app: ice-rink
  template:
    metadata:
      labels:
        app: ice-rink
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "ice-rink: -6 degrees"; sleep 5; done'
        livenessProbe:
          exec:
            command:
            - healthcheck
            - --quick
          periodSeconds: 2
          failureThreshold: 2
YAML
