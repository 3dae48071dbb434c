#!/usr/bin/env bash
# The kubelet is back
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl label node "${NS}-a" scenario-node=true
