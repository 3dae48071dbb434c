#!/usr/bin/env bash
# The TLS Secret of an Ingress holds a certificate for another host name
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch ingress tickets --type=json -p '[{"op":"replace","path":"/spec/tls/0/secretName","value":"intranet-cert"}]'
