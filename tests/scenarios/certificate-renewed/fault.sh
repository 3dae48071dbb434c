#!/usr/bin/env bash
# Negative control: a TLS Secret gets a fresh certificate for the same host
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

dir=$(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=tickets.example.org -addext subjectAltName=DNS:tickets.example.org -keyout "$dir/key" -out "$dir/crt" 2>/dev/null
k create secret tls tickets-cert --cert="$dir/crt" --key="$dir/key" --dry-run=client -o yaml | k apply -f -
rm -r "$dir"
