#!/usr/bin/env bash
# Negative control: a rollout replaces pods that ignore the request to stop and are killed after their grace period with exit code 137
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment shift-plan WEEK=48
