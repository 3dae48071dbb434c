#!/usr/bin/env bash
# A file is mounted by subPath, but the ConfigMap has no such key: a directory appears in its place and the program stops
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: billing
  namespace: ${NS}
  labels:
    app: billing
spec:
  replicas: 1
  selector:
    matchLabels:
      app: billing
  template:
    metadata:
      labels:
        app: billing
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
          if [ -d /etc/billing/rules.json ]; then echo "billing: read /etc/billing/rules.json: is a directory"; sleep 1; exit 1; fi
          while true; do echo "billing: rules loaded"; sleep 5; done
        volumeMounts:
        - name: rules
          mountPath: /etc/billing/rules.json
          subPath: rule.json
      volumes:
      - name: rules
        configMap:
          name: billing-rules
YAML
