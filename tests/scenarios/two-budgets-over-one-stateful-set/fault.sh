#!/usr/bin/env bash
# A second PodDisruptionBudget selects the pods of a StatefulSet by another label; with two budgets no pod can be evicted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: layer-store
  namespace: ${NS}
spec:
  minAvailable: 1
  selector:
    matchLabels:
      layer: store
YAML
sleep 2
k annotate pod cedar-vault-0 example.org/drain=asked
# a drain asks for one of them; the API refuses
k create --raw "/api/v1/namespaces/${NS}/pods/cedar-vault-0/eviction" -f - <<'JSON' || true
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "cedar-vault-0", "namespace": "${NS}"}}
JSON
