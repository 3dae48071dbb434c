#!/usr/bin/env bash
# The revision names it no more
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment till --type=strategic -p '{"spec":{"template":{"spec":{"containers":[{"name":"app","envFrom":null}]}}}}'
