#!/usr/bin/env bash
# A rollout lets the program write its rendered file next to the template, into the mount of a ConfigMap, which is read-only
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment wren-form OUT_DIR=/etc/wren
