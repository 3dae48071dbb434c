#!/usr/bin/env bash
# The new revision of a StatefulSet crashes on the pod it is tried on first; the others wait for it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env statefulset ledger-node SYNC_MODE=fast
