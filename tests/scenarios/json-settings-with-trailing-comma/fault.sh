#!/usr/bin/env bash
# A ConfigMap with a JSON file is edited and keeps a comma before the closing brace; the restarted member of a StatefulSet cannot read it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: oat-index-file
  namespace: ${NS}
data:
  index.json: |
    {
      "shards": 4,
      "merge": {
        "policy": "tiered",
        "floor_mb": 16,
      }
    }
YAML
k rollout restart statefulset oat-index
