#!/usr/bin/env bash
# A store without a probe is rolled out with another listening port and looks healthy; the liveness probes of its two callers ask it and restart them
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k set env deployment yew-bank LISTEN=5500
