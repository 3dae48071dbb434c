#!/usr/bin/env bash
# All rules of an Ingress are right, but its default backend now names a Service that does not exist
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch ingress dock-way --type=merge -p '{"spec": {"defaultBackend": {"service": {"name": "dock-apology", "port": {"number": 80}}}}}'
