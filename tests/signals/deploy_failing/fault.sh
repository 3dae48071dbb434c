#!/usr/bin/env bash
# The new revision names a ConfigMap that does not exist
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment till --type=strategic -p '{"spec":{"template":{"spec":{"containers":[{"name":"app","envFrom":[{"configMapRef":{"name":"till-settings"}}]}]}}}}'
