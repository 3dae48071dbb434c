#!/usr/bin/env bash
# A policy lets the workload reach its store but not DNS, and it knows the store by name
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: hive-scout-egress
  namespace: ${NS}
spec:
  podSelector:
    matchLabels:
      app: hive-scout
  policyTypes:
  - Egress
  egress:
  - to:
    - podSelector:
        matchLabels:
          app: hive-store
    ports:
    - protocol: TCP
      port: 8080
YAML
