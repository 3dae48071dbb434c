#!/usr/bin/env bash
# A policy that denies all ingress arrives in a namespace, and nobody wrote a rule for the Service that others call
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: baseline
  namespace: ${NS}
spec:
  podSelector: {}
  policyTypes:
  - Ingress
YAML
