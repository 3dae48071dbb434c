#!/usr/bin/env bash
# One letter is missing in the selector of a Service, so it selects no pods
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch service fleet-tracker --type=merge -p '{"spec":{"selector":{"app":"fleet-traker"}}}'
