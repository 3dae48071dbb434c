#!/usr/bin/env bash
# A rollout of a DaemonSet gives its pods a name server of their own and nothing else; names of Services are not found there
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch daemonset gull-watch --type=merge -p '{"spec": {"template": {"spec": {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.53"]}}}}}'
