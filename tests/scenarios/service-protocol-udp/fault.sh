#!/usr/bin/env bash
# A Service is changed to UDP while the pods behind it speak TCP
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k replace -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: bell-ringer
  namespace: ${NS}
spec:
  selector:
    app: bell-ringer
  ports:
  - name: http
    port: 8080
    targetPort: 8080
    protocol: UDP
YAML
