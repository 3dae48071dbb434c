#!/usr/bin/env bash
# Negative control: a StatefulSet of three is rolled to a new revision, pod by pod
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env statefulset herd-book PAGE=200
