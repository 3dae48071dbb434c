#!/usr/bin/env bash
# A rollout sends the helper container of a pod to a port of its own pod on which the main container does not listen
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment swan-desk -c relay TARGET=127.0.0.1:8081
