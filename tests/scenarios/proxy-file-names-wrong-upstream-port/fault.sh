#!/usr/bin/env bash
# A proxy configuration kept in a ConfigMap is edited to an upstream port that the Service does not have, and the proxy is restarted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: plum-edge-site
  namespace: ${NS}
data:
  site.conf: |
    server {
      listen 8080;
      server_name _;
      location / {
        root /srv;
      }
      location /v2/ {
        proxy_read_timeout 5s;
        proxy_pass http://plum-core:8600;
      }
    }
YAML
k rollout restart deployment plum-edge
