#!/usr/bin/env bash
# What the kubelet or the network of the node would write
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl patch node "${NS}-a" --subresource=status --type=strategic -p '{"status":{"conditions":[{"type":"PIDPressure","status":"True","reason":"KubeletHasInsufficientPID","message":"kubelet has insufficient PID available","lastTransitionTime":"'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'"}]}}'
