#!/usr/bin/env bash
# Negative control: a DaemonSet for every node that has no taint is added
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: lamp-agent
  namespace: ${NS}
  labels:
    app: lamp-agent
spec:
  selector:
    matchLabels:
      app: lamp-agent
  template:
    metadata:
      labels:
        app: lamp-agent
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "lamp-agent: all lit"; sleep 5; done'
YAML
