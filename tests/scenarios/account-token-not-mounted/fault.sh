#!/usr/bin/env bash
# A hardening change stops mounting the token of the ServiceAccount, which the program needs
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment pod-census --type=merge -p '{"spec":{"template":{"spec":{"automountServiceAccountToken":false}}}}'
