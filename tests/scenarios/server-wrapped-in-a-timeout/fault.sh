#!/usr/bin/env bash
# A rollout starts the server below timeout(1), as one does on a laptop; it is stopped every few seconds without a word
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch statefulset tern-view --type=json -p '[{"op": "replace", "path": "/spec/template/spec/containers/0/command/2", "value": "mkdir -p /srv && echo tern-view >/srv/index.html\ntimeout 4 httpd -f -p 8068 -h /srv || exit $?"}]'
