#!/usr/bin/env bash
# The setting is misspelt
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment/ferment MODE=slwo
