#!/usr/bin/env bash
# The only node with a quick disk is relabelled; nothing moves until the pod of a StatefulSet is replaced and finds no place
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl label node "${NS}-a" disk=slow --overwrite
k delete pod pond-log-0 --wait=false
