#!/usr/bin/env bash
# A rollout changes the label of a client; the policy before its store allows the old label only
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: seed-desk
  namespace: ${NS}
  labels:
    app: seed-desk
spec:
  replicas: 1
  selector:
    matchLabels:
      app: seed-desk
  template:
    metadata:
      labels:
        app: seed-desk
        role: frontend
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do if nc -w 2 $SEED_BANK_SERVICE_HOST 8080 </dev/null; then echo "seed-desk: seed-bank answers"; else echo "seed-desk: seed-bank does not answer"; fi; sleep 5; done'
        env:
        - name: SEED_BANK_URL
          value: http://seed-bank:8080
YAML
