#!/usr/bin/env bash
# A hardening change drops all capabilities; the start script may no longer give a directory to another user
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment bay-wash --type=json -p '[{"op": "add", "path": "/spec/template/spec/containers/0/securityContext", "value": {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": false}}]'
