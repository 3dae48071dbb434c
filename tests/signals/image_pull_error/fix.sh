#!/usr/bin/env bash
# The tag is the old one again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set image deployment kennel app=busybox:1.36
