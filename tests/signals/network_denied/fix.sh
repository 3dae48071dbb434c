#!/usr/bin/env bash
# It lets in the right one
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch networkpolicy seed-bank --type=json -p '[{"op":"replace","path":"/spec/ingress/0/from/0/podSelector/matchLabels/role","value":"front"}]'
