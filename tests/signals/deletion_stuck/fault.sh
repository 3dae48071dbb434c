#!/usr/bin/env bash
# It is deleted, and stays
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete configmap plan --wait=false
