#!/usr/bin/env bash
# Negative control: two pods are evicted one after the other, as a drain does it, and are replaced at once; a budget allows it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

for pod in $(k get pods -l app=tram-times -o jsonpath='{.items[0:2].metadata.name}' | tr ' ' '\n' | head -n 2); do
  kubectl create --raw "/api/v1/namespaces/${NS}/pods/${pod}/eviction" -f - <<JSON
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "${pod}", "namespace": "${NS}"}}
JSON
  sleep 1
  k rollout status deployment tram-times --timeout=60s
done
