#!/usr/bin/env bash
# A change of a Service sends its traffic to a port on which the pods do not listen
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service checkout --type=json -p '[{"op":"replace","path":"/spec/ports/0/targetPort","value":8008}]'
