#!/usr/bin/env bash
# What it writes when it is over
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl patch node "${NS}-a" --subresource=status --type=strategic -p '{"status":{"conditions":[{"type":"PIDPressure","status":"False","reason":"KubeletHasSufficientPID","message":"kubelet has sufficient PID available","lastTransitionTime":"'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'"}]}}'
