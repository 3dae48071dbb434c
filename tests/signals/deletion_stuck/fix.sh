#!/usr/bin/env bash
# The finalizer is removed
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch configmap plan --type=merge -p '{"metadata":{"finalizers":null}}'
