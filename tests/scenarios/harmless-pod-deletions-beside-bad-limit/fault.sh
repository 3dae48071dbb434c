#!/usr/bin/env bash
# Pods of one workload are deleted as in a drain, while a rollout of another asks for more memory than any node has
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete pod -l app=coach-times --wait=false
k set resources deployment coach-forecast --requests=memory=4000Gi
