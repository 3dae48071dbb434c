#!/usr/bin/env bash
# A Deployment whose claim admits a single pod is scaled to two; the second pod waits
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment pine-packer --replicas=2
