#!/usr/bin/env bash
# What it writes when it is over
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl patch node "${NS}-a" --subresource=status --type=strategic -p '{"status":{"conditions":[{"type":"DiskPressure","status":"False","reason":"KubeletHasNoDiskPressure","message":"kubelet has no disk pressure","lastTransitionTime":"'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'"}]}}'
