#!/usr/bin/env bash
# Negative control: a workload is pointed to a Service of another namespace by its full name
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment fare-desk FARES_URL=http://fare-table.${NS}-shared.svc.cluster.local:8080
