#!/usr/bin/env bash
# Negative control: a PodDisruptionBudget is added that leaves one of three pods free to go
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: ferry-lines
  namespace: ${NS}
spec:
  minAvailable: 2
  selector:
    matchLabels:
      app: ferry-lines
YAML
