#!/usr/bin/env bash
# A policy in another namespace has three rules; the one that lets the callers in is edited to a port with two digits swapped
set -euo pipefail

kubectl apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: kiln-gate
  namespace: ${NS}-core
spec:
  podSelector:
    matchLabels:
      app: teal-kiln
  policyTypes:
  - Ingress
  ingress:
  - from:
    - podSelector:
        matchLabels:
          app: kiln-gauge
    ports:
    - protocol: TCP
      port: 7070
  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: ${NS}
    ports:
    - protocol: TCP
      port: 7007
  - from:
    - ipBlock:
        cidr: 192.0.2.0/24
    ports:
    - protocol: TCP
      port: 7070
YAML
