#!/usr/bin/env bash
# A rollout misspells the value of a toleration; the only node of its pool is tainted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: sonar
  namespace: ${NS}
  labels:
    app: sonar
spec:
  replicas: 1
  selector:
    matchLabels:
      app: sonar
  template:
    metadata:
      labels:
        app: sonar
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "sonar: ping"; sleep 5; done'
      nodeSelector:
        pool: ${NS}
      tolerations:
      - key: pool
        operator: Equal
        value: ${NS}s
        effect: NoSchedule
  strategy:
    type: Recreate
YAML
