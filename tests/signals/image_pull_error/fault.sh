#!/usr/bin/env bash
# The new revision has a tag that does not exist
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set image deployment kennel app=busybox:1.3.6
