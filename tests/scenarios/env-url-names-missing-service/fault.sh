#!/usr/bin/env bash
# A rollout writes the singular into a URL; the Service has the plural, and the workload cannot reach it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: bill-run
  namespace: ${NS}
  labels:
    app: bill-run
spec:
  replicas: 1
  selector:
    matchLabels:
      app: bill-run
  template:
    metadata:
      labels:
        app: bill-run
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "bill-run: POST $PAYMENTS_URL: dial tcp: lookup payment: no such host"; sleep 4; done'
        env:
        - name: PAYMENTS_URL
          value: http://payment:8080/api
YAML
