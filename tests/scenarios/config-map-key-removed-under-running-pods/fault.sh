#!/usr/bin/env bash
# A key was taken out of a ConfigMap; the pods still run, but none of them can start again
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch configmap choir-settings --type=json -p '[{"op":"remove","path":"/data/HALL"}]'
