#!/usr/bin/env bash
# A rollout gives the helper container a wrong target; it crashes while the main container is well
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment ski-lift -c forwarder SINK=192.0.2.9:514
