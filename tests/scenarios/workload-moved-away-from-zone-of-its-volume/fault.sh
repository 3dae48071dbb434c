#!/usr/bin/env bash
# A workload is moved to another zone; its volume can only be used in the old one
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment slate-index --type=merge -p '{"spec": {"template": {"spec": {"nodeSelector": {"topology.kubernetes.io/zone": "${NS}-west"}}}}}'
