#!/usr/bin/env bash
# Negative control: a headless Service for peer discovery is added next to the ordinary one
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: choir-peers
  namespace: ${NS}
spec:
  selector:
    app: choir-node
  ports:
  - name: http
    port: 8080
    targetPort: 8080
  clusterIP: None
  publishNotReadyAddresses: true
YAML
