#!/usr/bin/env bash
# A rollout raises the memory limit above what the LimitRange of the namespace allows
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set resources deployment atlas --limits=memory=512Mi,cpu=100m
