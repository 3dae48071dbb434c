#!/usr/bin/env bash
# Negative control: a workload is rolled to a new immutable ConfigMap; the old one is deleted when the rollout is done
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: reed-tuning-2
  namespace: ${NS}
data:
  PITCH: '442'
immutable: true
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: reed-pipe
  namespace: ${NS}
  labels:
    app: reed-pipe
spec:
  replicas: 2
  selector:
    matchLabels:
      app: reed-pipe
  template:
    metadata:
      labels:
        app: reed-pipe
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: pipe
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "reed-pipe: in tune"; sleep 5; done'
        envFrom:
        - configMapRef:
            name: reed-tuning-2
YAML
k rollout status deployment reed-pipe --timeout=60s
while [ "$(k get pods -l app=reed-pipe -o name | wc -l)" -gt 2 ]; do sleep 1; done
k delete configmap reed-tuning-1
