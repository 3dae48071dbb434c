#!/usr/bin/env bash
# A hardening change makes the root file system read-only; the program writes its state there
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment seed-counter --type=json -p '[{"op":"add","path":"/spec/template/spec/containers/0/securityContext","value":{"readOnlyRootFilesystem":true}}]'
