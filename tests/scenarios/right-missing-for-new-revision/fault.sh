#!/usr/bin/env bash
# A new revision lists leases, which the Role of its ServiceAccount does not allow; only the log says it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shard-keeper
  namespace: ${NS}
  labels:
    app: shard-keeper
spec:
  replicas: 1
  selector:
    matchLabels:
      app: shard-keeper
  template:
    metadata:
      labels:
        app: shard-keeper
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'echo "shard-keeper 2.0: election starts"; sleep 1; echo "leases.coordination.k8s.io is forbidden: User \"system:serviceaccount:${NS}:shard-keeper\" cannot list resource \"leases\" in API group \"coordination.k8s.io\" in the namespace \"${NS}\""; exit 1'
      serviceAccountName: shard-keeper
YAML
