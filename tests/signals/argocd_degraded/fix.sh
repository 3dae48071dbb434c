#!/usr/bin/env bash
# What it writes when all is well again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch application shop --type=merge -p '{"status":{"health":{"status":"Healthy"},"sync":{"status":"Synced"},"resources":[{"group":"apps","version":"v1","kind":"Deployment","namespace":"${NS}","name":"shop","status":"Synced","health":{"status":"Healthy"}}]}}'
