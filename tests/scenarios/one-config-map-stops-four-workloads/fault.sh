#!/usr/bin/env bash
# A ConfigMap that four workloads share was deleted and all four were restarted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete configmap region-shared
k rollout restart deployment rent-api sale-api keys-api tour-api
