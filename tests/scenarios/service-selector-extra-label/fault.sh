#!/usr/bin/env bash
# A Service gets a second label in its selector that the pods do not have
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service dock-roster --type=merge -p '{"spec":{"selector":{"release":"stable-2"}}}'
