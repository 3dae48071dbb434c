#!/usr/bin/env bash
# Negative control: a workload is scaled from two to five pods and back to three
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment quote-engine --replicas=5
k rollout status deployment quote-engine --timeout=60s
k scale deployment quote-engine --replicas=3
