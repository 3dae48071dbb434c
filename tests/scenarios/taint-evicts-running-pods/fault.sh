#!/usr/bin/env bash
# A NoExecute taint is put on the only node of a pool; the pods are evicted and find no other place
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl taint node "${NS}-a" maintenance=disk:NoExecute
