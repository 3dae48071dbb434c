#!/usr/bin/env bash
# A Deployment was scaled to zero although an Ingress sends visitors to it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment exhibit --replicas=0
