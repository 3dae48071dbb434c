#!/usr/bin/env bash
# What it writes when it is over
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl patch node "${NS}-a" --subresource=status --type=strategic -p '{"status":{"conditions":[{"type":"NetworkUnavailable","status":"False","reason":"RouteCreated","message":"RouteController created a route","lastTransitionTime":"'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'"}]}}'
