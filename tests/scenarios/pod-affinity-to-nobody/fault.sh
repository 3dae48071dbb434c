#!/usr/bin/env bash
# A rollout must run beside a cache that is called otherwise
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: side-reader
  namespace: ${NS}
  labels:
    app: side-reader
spec:
  replicas: 1
  selector:
    matchLabels:
      app: side-reader
  template:
    metadata:
      labels:
        app: side-reader
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "side-reader: hit"; sleep 5; done'
      affinity:
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - labelSelector:
              matchLabels:
                app: sidecache
            topologyKey: kubernetes.io/hostname
YAML
