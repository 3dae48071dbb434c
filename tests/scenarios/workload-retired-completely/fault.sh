#!/usr/bin/env bash
# Negative control: a workload is retired together with its Service, its Ingress and its settings; nobody refers to them
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete ingress fax-bridge
k delete service fax-bridge
k delete deployment fax-bridge
k delete configmap fax-bridge-lines
