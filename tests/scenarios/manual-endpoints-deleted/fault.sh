#!/usr/bin/env bash
# The EndpointSlice of a Service without selector was deleted; the Service leads nowhere
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete endpointslice archive-db-1
