#!/usr/bin/env bash
# The limit is raised again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set resources deployment mix --limits=memory=160Mi
