#!/usr/bin/env bash
# A second ConfigMap in envFrom has a key of the first one and silently wins
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: ferry-winter
  namespace: ${NS}
data:
  SPEED: '14'
  ROUTE: TBD
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ferry-clock
  namespace: ${NS}
  labels:
    app: ferry-clock
spec:
  replicas: 1
  selector:
    matchLabels:
      app: ferry-clock
  template:
    metadata:
      labels:
        app: ferry-clock
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
          case "$ROUTE" in *-line) ;; *) echo "ferry-clock: unknown route $ROUTE"; sleep 1; exit 1;; esac
          while true; do echo "ferry-clock: on time"; sleep 5; done
        envFrom:
        - configMapRef:
            name: ferry-base
        - configMapRef:
            name: ferry-winter
YAML
