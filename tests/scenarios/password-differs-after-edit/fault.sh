#!/usr/bin/env bash
# Somebody edited a password in a Secret; after the restart the database refuses the login
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch secret ledger-login --type=merge -p '{"stringData":{"word":"n0t-real-2"}}'
k rollout restart deployment ledger-job
