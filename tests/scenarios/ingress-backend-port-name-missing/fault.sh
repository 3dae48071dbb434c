#!/usr/bin/env bash
# An Ingress refers to a port of its Service by a name that the Service does not have
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: knitting
  namespace: ${NS}
spec:
  ingressClassName: ${NS}-edge
  rules:
  - host: knit.example.org
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: knitting
            port:
              name: https
YAML
