#!/usr/bin/env bash
# What Argo CD writes when a Deployment of the Application does not become healthy
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch application shop --type=merge -p '{"status":{"health":{"status":"Degraded"},"sync":{"status":"Synced"},"resources":[{"group":"apps","version":"v1","kind":"Deployment","namespace":"${NS}","name":"shop","status":"Synced","health":{"status":"Degraded"}}]}}'
