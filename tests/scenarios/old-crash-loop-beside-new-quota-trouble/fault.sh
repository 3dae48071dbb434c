#!/usr/bin/env bash
# A workload has been crashing since long; the news is a quota that stops another one from growing
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale deployment map-router --replicas=8
