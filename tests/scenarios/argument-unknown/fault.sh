#!/usr/bin/env bash
# A new revision is started with an option that the program does not know
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: sieve
  namespace: ${NS}
  labels:
    app: sieve
spec:
  replicas: 1
  selector:
    matchLabels:
      app: sieve
  template:
    metadata:
      labels:
        app: sieve
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'case "$0" in --mesh=*) echo "sieve: mesh ${0#--mesh=}";; *) echo "sieve: error: unrecognized option $0 (see --help)"; sleep 1; exit 2;; esac; while true; do sleep 5; done'
        args:
        - --mehs=3
YAML
