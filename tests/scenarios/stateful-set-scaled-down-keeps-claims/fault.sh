#!/usr/bin/env bash
# Negative control: a StatefulSet is scaled from two to one; the claim of the pod that went stays bound, as it should
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale statefulset clay-jar --replicas=1
