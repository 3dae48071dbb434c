#!/usr/bin/env bash
# Two teams break two things in one minute: an image tag here, a Service selector there
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set image deployment pram-shop app=busybox:1.36-pram
k patch service cot-shop --type=merge -p '{"spec":{"selector":{"app":"cots-shop"}}}'
