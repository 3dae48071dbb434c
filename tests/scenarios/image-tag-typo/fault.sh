#!/usr/bin/env bash
# A hurried change sets an image tag with a dot too much; the old pods still serve
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set image deployment kennel app=busybox:1.3.6
