#!/usr/bin/env bash
# A workload may not pull its image, and the image is not on the node
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment moss-counter --type=json -p '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"busybox:1.36-local"},{"op":"replace","path":"/spec/template/spec/containers/0/imagePullPolicy","value":"Never"}]'
