#!/usr/bin/env bash
# The headless Service of a StatefulSet was deleted; its pods run on but lose their names
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete service mill-stone
