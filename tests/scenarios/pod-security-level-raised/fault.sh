#!/usr/bin/env bash
# The namespace is set to the restricted Pod Security level; the next pods of its workload are refused
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl label namespace "${NS}" pod-security.kubernetes.io/enforce=restricted
k rollout restart deployment herbarium
