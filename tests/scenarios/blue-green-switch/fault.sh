#!/usr/bin/env bash
# Negative control: the selector of a Service is switched from the blue to the green pods, which are all ready
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service toll-gate --type=merge -p '{"spec":{"selector":{"app":"toll-gate-green"}}}'
