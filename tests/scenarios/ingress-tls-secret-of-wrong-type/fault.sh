#!/usr/bin/env bash
# The TLS Secret of an Ingress was created anew as an Opaque one without the keys tls.crt and tls.key
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete secret shop-front-cert
k create secret generic shop-front-cert --from-literal=cert.pem=see-vault --from-literal=key.pem=see-vault
