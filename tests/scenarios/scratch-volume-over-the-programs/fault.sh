#!/usr/bin/env bash
# A rollout mounts a scratch volume at /bin; it hides every program of the image
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ash-tool
  namespace: ${NS}
  labels:
    app: ash-tool
spec:
  replicas: 1
  selector:
    matchLabels:
      app: ash-tool
  template:
    metadata:
      labels:
        app: ash-tool
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: tool
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "ash-tool: sharp"; sleep 5; done'
        volumeMounts:
        - name: bin
          mountPath: /bin
      volumes:
      - name: bin
        emptyDir: {}
YAML
