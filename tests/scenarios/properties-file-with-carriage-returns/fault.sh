#!/usr/bin/env bash
# A properties file in a ConfigMap is saved with Windows line ends, so its port is no number any more
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch configmap rook-sync-file --type=merge -p '{"data": {"app.properties": "store.host=rook-store\r\nstore.port=5432\r\nstore.pool=4\r\n"}}'
k rollout restart deployment rook-sync
