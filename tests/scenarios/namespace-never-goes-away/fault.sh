#!/usr/bin/env bash
# A namespace was deleted but stays Terminating: an object in it waits for the finalizer of a controller that is gone
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl delete namespace "${NS}-old" --wait=false
