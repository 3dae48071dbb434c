#!/usr/bin/env bash
# A request of 400m was written as 400: no node has that many CPUs
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set resources deployment auction --requests=cpu=400
