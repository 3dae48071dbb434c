#!/usr/bin/env bash
# A change of an Ingress names a backend Service that does not exist; a similar one does
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: campsite
  namespace: ${NS}
spec:
  ingressClassName: ${NS}-edge
  rules:
  - host: camp.example.org
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: camp-site
            port:
              number: 8080
YAML
