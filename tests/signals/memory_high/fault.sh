#!/usr/bin/env bash
# The cache grows
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/thumbs -- sh -c "dd if=/dev/zero of=/cache/fill bs=1M count=116 && touch /tmp/grow"
