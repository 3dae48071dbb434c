#!/usr/bin/env bash
# A second workload asks for a host port that another one holds on the only node of the pool
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: gate-metrics
  namespace: ${NS}
  labels:
    app: gate-metrics
spec:
  replicas: 1
  selector:
    matchLabels:
      app: gate-metrics
  template:
    metadata:
      labels:
        app: gate-metrics
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "gate-metrics: scraped"; sleep 5; done'
        ports:
        - name: edge
          containerPort: 9100
          hostPort: 18443
      nodeSelector:
        pool: ${NS}
      tolerations:
      - key: pool
        operator: Equal
        value: ${NS}
        effect: NoSchedule
YAML
