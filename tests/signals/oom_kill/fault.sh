#!/usr/bin/env bash
# The limit is lowered
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set resources deployment mix --limits=memory=24Mi
