#!/usr/bin/env bash
# The image of a new revision is not a valid reference: it has upper case letters
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set image deployment almanac app=Almanac/Web:2.0
