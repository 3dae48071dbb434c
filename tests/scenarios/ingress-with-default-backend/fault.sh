#!/usr/bin/env bash
# Negative control: an Ingress with only a default backend is added for a Service that serves
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: notice-board
  namespace: ${NS}
spec:
  ingressClassName: ${NS}-edge
  defaultBackend:
    service:
      name: notice-board
      port:
        number: 8080
YAML
