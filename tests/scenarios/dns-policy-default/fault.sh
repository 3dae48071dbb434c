#!/usr/bin/env bash
# A rollout sets dnsPolicy Default, with which names of Services cannot be resolved
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment ore-trader --type=merge -p '{"spec":{"template":{"spec":{"dnsPolicy":"Default"}}}}'
