#!/usr/bin/env bash
# Negative control: a ConfigMap, a Secret, a ServiceAccount and a RoleBinding are created ahead of the workload that will use them
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: vineyard-forecast
  namespace: ${NS}
data:
  days: '5'
---
apiVersion: v1
kind: Secret
metadata:
  name: vineyard-forecast-key
  namespace: ${NS}
type: Opaque
stringData:
  key: n0t-real
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: vineyard-forecast
  namespace: ${NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: vineyard-forecast
  namespace: ${NS}
rules:
- apiGroups:
  - ''
  resources:
  - configmaps
  verbs:
  - get
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: vineyard-forecast
  namespace: ${NS}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: vineyard-forecast
subjects:
- kind: ServiceAccount
  name: vineyard-forecast
  namespace: ${NS}
YAML
