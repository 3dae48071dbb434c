#!/usr/bin/env bash
# Negative control: a worker ends with exit code 0 after its share of work and is started again once, as it was built to
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deploy/stamp-worker -- touch /state/recycle
