#!/usr/bin/env bash
# A second Ingress claims the same host and path for another Service
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: bike-sale
  namespace: ${NS}
spec:
  ingressClassName: ${NS}-edge
  rules:
  - host: bikes.example.org
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: bike-sale
            port:
              number: 8080
YAML
