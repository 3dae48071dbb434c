#!/usr/bin/env bash
# Negative control: a StatefulSet of three gets a PodDisruptionBudget in percent that leaves one pod free, and a pod is deleted and comes back
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: glen-hut
  namespace: ${NS}
spec:
  maxUnavailable: 33%
  selector:
    matchLabels:
      app: glen-hut
YAML
k delete pod glen-hut-1 --wait=false
