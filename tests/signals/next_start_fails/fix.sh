#!/usr/bin/env bash
# It is made anew
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k create secret generic loom-token --from-literal=token=n0t-real
