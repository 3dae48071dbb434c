#!/usr/bin/env bash
# Negative control: a Service gets a second port to the same container port, and its Ingress an exact path that uses it by name beside the old prefix
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: pier-book
  namespace: ${NS}
spec:
  selector:
    app: pier-book
  ports:
  - name: http
    port: 80
    targetPort: http
  - name: alt
    port: 8088
    targetPort: 8041
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: pier-way
  namespace: ${NS}
spec:
  ingressClassName: ${NS}-pier
  rules:
  - host: pier.example.org
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: pier-book
            port:
              number: 80
      - path: /status
        pathType: Exact
        backend:
          service:
            name: pier-book
            port:
              name: alt
YAML
