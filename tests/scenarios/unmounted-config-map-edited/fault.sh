#!/usr/bin/env bash
# Negative control: a ConfigMap that no workload refers to is edited, and one that a person keeps as a note is added
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch configmap seed-shop-handover --type=merge -p '{"data":{"since":"2026","contact":""}}'
k apply -f - <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: seed-shop-minutes
  namespace: ${NS}
data:
  topic: spring range
YAML
