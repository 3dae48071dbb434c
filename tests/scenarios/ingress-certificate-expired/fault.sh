#!/usr/bin/env bash
# A TLS Secret was overwritten with the certificate of last year, which is expired
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Secret
metadata:
  name: parcels-cert
  namespace: ${NS}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    -----BEGIN CERTIFICATE-----
    MIIBdzCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAeMRwwGgYDVQQDDBNwYXJjZWxz
    LmV4YW1wbGUub3JnMB4XDTI0MDEwMTAwMDAwMFoXDTI1MDEwMTAwMDAwMFowHjEc
    MBoGA1UEAwwTcGFyY2Vscy5leGFtcGxlLm9yZzBZMBMGByqGSM49AgEGCCqGSM49
    AwEHA0IABOttxNy4UCpJJT9XNKOyAF+xOO/ZUqD1yuCm90HH6W0o5xfK54F7EY/I
    Icmbnz2H3GLsy/o/mNJufgsWAMM2hvmjTDBKMAkGA1UdEwQCMAAwHgYDVR0RBBcw
    FYITcGFyY2Vscy5leGFtcGxlLm9yZzAdBgNVHQ4EFgQU0WDHRlwCgOu4I5KlXnw4
    crkR9mwwCgYIKoZIzj0EAwIDSAAwRQIgTvhwi6b+H1W1M7P43x/Lw/uDbkL55zyV
    fm2lBLUgjxUCIQD3cT5t1i81bV/nHiP8z+e1cIVSAQZcnLlS66o+BD1iIQ==
    -----END CERTIFICATE-----
  tls.key: |
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgousw5PetsOfabUJx
    8V9NpzdJmifMoMdv+0WbxpJRgguhRANCAATrbcTcuFAqSSU/VzSjsgBfsTjv2VKg
    9crgpvdBx+ltKOcXyueBexGPyCHJm589h9xi7Mv6P5jSbn4LFgDDNob5
    -----END PRIVATE KEY-----
YAML
