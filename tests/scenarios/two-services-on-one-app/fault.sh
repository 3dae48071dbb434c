#!/usr/bin/env bash
# Negative control: a second Service with another port number and a named target port is put before the same pods
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: pantry-internal
  namespace: ${NS}
spec:
  selector:
    app: pantry-api
  ports:
  - name: plain
    port: 80
    targetPort: web
YAML
