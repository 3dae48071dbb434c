#!/usr/bin/env bash
# The name of the backend is misspelt
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch ingress campsite --type=json -p '[{"op":"replace","path":"/spec/rules/0/http/paths/0/backend/service/name","value":"camp-site"}]'
