#!/usr/bin/env bash
# A StatefulSet is scaled to four; the memory requests that the quota of its namespace allows end at the third
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k scale statefulset moss-tally --replicas=4
