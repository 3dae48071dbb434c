#!/usr/bin/env bash
# Negative control: a JSON file in a ConfigMap is set in another layout with the same content, and its workload is restarted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: toll-file
  namespace: ${NS}
data:
  toll.json: |
    {
      "lanes": 3,
      "tolls": {
        "car": 4,
        "lorry": 9
      }
    }
YAML
k rollout restart deployment toll-gate
