#!/usr/bin/env bash
# The release is rolled back
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
export HELM_CACHE_HOME=$dir HELM_CONFIG_HOME=$dir HELM_DATA_HOME=$dir
helm -n "${NS}" rollback till 1
