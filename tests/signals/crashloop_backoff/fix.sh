#!/usr/bin/env bash
# The setting is right again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment/ferment MODE=slow
