#!/usr/bin/env bash
# Negative control: a Deployment that is fully rolled out is paused before a change of the cluster and stays as it is
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k rollout pause deployment print-queue
