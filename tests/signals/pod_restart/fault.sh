#!/usr/bin/env bash
# The application hangs
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k exec deployment/lift -c keeper -- touch /state/hung
