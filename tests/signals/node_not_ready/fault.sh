#!/usr/bin/env bash
# Nobody plays the kubelet any more, and its last word is that it is not ready
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl label node "${NS}-a" scenario-node-
sleep 1
kubectl patch node "${NS}-a" --subresource=status --type=strategic -p '{"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"container runtime is down","lastTransitionTime":"'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'"}]}}'
