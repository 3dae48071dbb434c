#!/usr/bin/env bash
# An Ingress was moved to a class that no IngressClass defines
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch ingress swim-hall --type=merge -p '{"spec":{"ingressClassName":"${NS}-egde"}}'
