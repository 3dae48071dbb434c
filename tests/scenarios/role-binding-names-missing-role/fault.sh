#!/usr/bin/env bash
# The Role that a RoleBinding refers to was deleted; its ServiceAccount has no rights any more
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete role roster-sync
k apply -f - <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: roster-sync
  namespace: ${NS}
  labels:
    app: roster-sync
spec:
  replicas: 1
  selector:
    matchLabels:
      app: roster-sync
  template:
    metadata:
      labels:
        app: roster-sync
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: busybox:1.36
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - 'while true; do echo "roster-sync: configmaps is forbidden: User \"system:serviceaccount:${NS}:roster-sync\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"${NS}\""; sleep 2; done'
      serviceAccountName: roster-sync
YAML
