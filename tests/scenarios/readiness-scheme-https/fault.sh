#!/usr/bin/env bash
# The readiness probe of a new revision speaks HTTPS to a port that serves plain HTTP
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment orchestra --type=json -p '[{"op":"add","path":"/spec/template/spec/containers/0/readinessProbe/httpGet/scheme","value":"HTTPS"}]'
