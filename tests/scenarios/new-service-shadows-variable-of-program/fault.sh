#!/usr/bin/env bash
# A new Service has a name from which the kubelet makes the very variable that a program reads its port from
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: hop
  namespace: ${NS}
spec:
  selector:
    app: hop-meter
  ports:
  - name: http
    port: 80
    targetPort: 8080
YAML
sleep 2
k rollout restart deployment hop-meter
