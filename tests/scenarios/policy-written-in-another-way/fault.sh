#!/usr/bin/env bash
# Negative control: the two peers in a rule of a NetworkPolicy become one with an expression that selects the same pods, and its port a range that holds the old one
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: salt-gate
  namespace: ${NS}
spec:
  podSelector:
    matchLabels:
      app: salt-pan
  policyTypes:
  - Ingress
  ingress:
  - from:
    - podSelector:
        matchExpressions:
        - key: app
          operator: In
          values:
          - salt-cart
          - salt-boat
    ports:
    - protocol: TCP
      port: 8030
      endPort: 8049
  - from:
    - ipBlock:
        cidr: 192.0.2.0/24
        except:
        - 192.0.2.64/26
    ports:
    - protocol: TCP
      port: 9102
YAML
