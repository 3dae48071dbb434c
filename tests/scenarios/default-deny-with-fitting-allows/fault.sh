#!/usr/bin/env bash
# Negative control: a default-deny NetworkPolicy arrives together with rules that allow the client, the port and DNS
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
  - Egress
YAML
k apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: reader-to-index
  namespace: ${NS}
spec:
  podSelector:
    matchLabels:
      role: reader
  policyTypes:
  - Egress
  egress:
  - to:
    - podSelector:
        matchLabels:
          role: store
    ports:
    - protocol: TCP
      port: 8080
  - to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
    ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
YAML
k apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: index-from-reader
  namespace: ${NS}
spec:
  podSelector:
    matchLabels:
      role: store
  policyTypes:
  - Ingress
  ingress:
  - from:
    - podSelector:
        matchLabels:
          role: reader
    ports:
    - protocol: TCP
      port: 8080
YAML
