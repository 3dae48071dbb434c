#!/usr/bin/env bash
# A key was taken out of a Secret and the workload that needs it was restarted
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch secret seat-map-keys --type=json -p '[{"op":"remove","path":"/data/signing"}]'
k rollout restart deployment seat-map
