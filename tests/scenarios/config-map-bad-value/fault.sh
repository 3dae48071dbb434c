#!/usr/bin/env bash
# A value in a ConfigMap was edited to something that the program cannot read, and its pods were restarted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch configmap ferment-settings --type=merge -p '{"data":{"TARGET_CELSIUS":"2l"}}'
k delete pod -l app=ferment --wait=false
