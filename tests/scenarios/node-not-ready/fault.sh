#!/usr/bin/env bash
# A node stops reporting: it gets NotReady, and the pods on it no longer count
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl label node "${NS}-a" scenario-node-
sleep 1
kubectl patch node "${NS}-a" --subresource=status --type=strategic -p '{"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"container runtime is down"}]}}'
