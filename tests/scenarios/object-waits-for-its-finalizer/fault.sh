#!/usr/bin/env bash
# A ConfigMap is to be deleted, but the finalizer on it belongs to a controller that is gone
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete configmap lease-desk-plan --wait=false
