#!/usr/bin/env bash
# A Secret was deleted that running pods mount; they serve until their next start
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete secret loom-token
