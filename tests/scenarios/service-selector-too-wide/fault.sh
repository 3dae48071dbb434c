#!/usr/bin/env bash
# A Service now selects by a label that two different applications share; half of the calls reach the wrong one
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service patient-file --type=json -p '[{"op":"replace","path":"/spec/selector","value":{"layer":"backend"}}]'
