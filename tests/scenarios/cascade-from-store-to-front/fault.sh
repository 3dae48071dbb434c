#!/usr/bin/env bash
# The store is rolled to a bad setting; its caller and the caller's caller fall out one after the other
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment wool-store FSYNC=yes
