#!/usr/bin/env bash
# Negative control: a password is rotated in its Secret and the workload that reads it is restarted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch secret loyalty-login --type=merge -p '{"stringData":{"word":"n0t-the-old-one"}}'
k rollout restart deployment loyalty
