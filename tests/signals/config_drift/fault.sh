#!/usr/bin/env bash
# What Argo CD writes when the cluster differs from the source
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch application shop --type=merge -p '{"status":{"health":{"status":"Healthy"},"sync":{"status":"OutOfSync"},"resources":[{"group":"apps","version":"v1","kind":"Deployment","namespace":"${NS}","name":"shop","status":"OutOfSync","health":{"status":"Healthy"}}]}}'
