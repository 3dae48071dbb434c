#!/usr/bin/env bash
# A memory request was typed in Ti in place of Mi
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set resources deployment pollen-model --requests=memory=64Ti
