#!/usr/bin/env bash
# A memory limit was lowered below what the program holds
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set resources deployment choir-mix --limits=memory=24Mi
