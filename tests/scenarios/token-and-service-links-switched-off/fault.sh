#!/usr/bin/env bash
# Negative control: a hardening change switches off the account token and the variables of Services for a workload that uses neither
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment flint-wall --type=merge -p '{"spec": {"template": {"spec": {"automountServiceAccountToken": false, "enableServiceLinks": false}}}}'
