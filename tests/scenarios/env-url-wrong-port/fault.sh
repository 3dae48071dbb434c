#!/usr/bin/env bash
# A rollout points a workload to a port that the Service does not have
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: reconciler
  namespace: ${NS}
  labels:
    app: reconciler
spec:
  replicas: 1
  selector:
    matchLabels:
      app: reconciler
  template:
    metadata:
      labels:
        app: reconciler
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "reconciler: dial $LEDGER_ADDR: i/o timeout"; sleep 5; done'
        env:
        - name: LEDGER_ADDR
          value: ledger:8090
YAML
