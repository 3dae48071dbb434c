#!/usr/bin/env bash
# It is renewed
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

dir=$(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=wine.example.org -addext subjectAltName=DNS:wine.example.org -keyout "$dir/key" -out "$dir/crt" 2>/dev/null
k create secret tls tasting-cert --cert="$dir/crt" --key="$dir/key" --dry-run=client -o yaml | k apply -f -
rm -r "$dir"
