#!/usr/bin/env bash
# A URL is put together from several variables; the port that one of them takes from a ConfigMap is edited to one that the Service does not have
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch configmap rye-where --type=merge -p '{"data": {"port": "5433"}}'
k rollout restart deployment rye-books
