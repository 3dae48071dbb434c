#!/usr/bin/env bash
# A volume in memory is limited to 1Mi; the new revision writes more and stops
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: lace-cutter
  namespace: ${NS}
  labels:
    app: lace-cutter
spec:
  replicas: 1
  selector:
    matchLabels:
      app: lace-cutter
  template:
    metadata:
      labels:
        app: lace-cutter
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
          echo "lace-cutter: writing patterns"; dd if=/dev/zero of=/pieces/all bs=64k count=64 || { sleep 1; exit 1; }
          while true; do echo "lace-cutter: cut"; sleep 5; done
        volumeMounts:
        - name: pieces
          mountPath: /pieces
      volumes:
      - name: pieces
        emptyDir:
          medium: Memory
          sizeLimit: 1Mi
YAML
