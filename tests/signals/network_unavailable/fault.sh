#!/usr/bin/env bash
# What the kubelet or the network of the node would write
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl patch node "${NS}-a" --subresource=status --type=strategic -p '{"status":{"conditions":[{"type":"NetworkUnavailable","status":"True","reason":"NoRouteCreated","message":"RouteController could not create a route","lastTransitionTime":"'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'"}]}}'
