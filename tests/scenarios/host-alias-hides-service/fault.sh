#!/usr/bin/env bash
# A rollout brings an old host alias along that sends the name of a living Service to an address where nobody is
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment ivy-crane --type=merge -p '{"spec": {"template": {"spec": {"hostAliases": [{"ip": "192.0.2.17", "hostnames": ["ivy-quay"]}]}}}}'
