#!/usr/bin/env bash
# What answers an admission webhook was scaled to zero; the next pods that it must judge are refused
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl -n "${NS}-policy" scale deployment label-gate --replicas=0
k patch deployment sugar-mill --type=merge -p '{"spec":{"template":{"metadata":{"labels":{"example.org/judged":"yes"}}}}}'
