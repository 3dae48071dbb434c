#!/usr/bin/env bash
# A pod was created with a scheduling gate that nothing removes
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Pod
metadata:
  name: render-frame-7
  namespace: ${NS}
  labels:
    app: render-frame-7
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox:1.36
    imagePullPolicy: IfNotPresent
    command:
    - sh
    - -c
    - while true; do echo "frame 7"; sleep 5; done
  schedulingGates:
  - name: example.org/licence
YAML
