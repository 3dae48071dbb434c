#!/usr/bin/env bash
# A rollout drops a variable; the program stops with a Python stack trace
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment soil-lab LAB_REGION-
