#!/usr/bin/env bash
# The Secret is deleted under the running pods
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete secret loom-token
