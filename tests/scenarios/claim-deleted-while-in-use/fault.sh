#!/usr/bin/env bash
# A claim that a running pod uses was deleted: it stays Terminating, and the pod cannot be started again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete persistentvolumeclaim roof-tiles --wait=false
