#!/usr/bin/env bash
# A rollout sets a number as a word; the program stops with a line about it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment ration WORKERS=four
