#!/usr/bin/env bash
# Half of a TLS Secret is renewed: the certificate is new, the key is the one of the old certificate; the server refuses the pair
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Secret
metadata:
  name: shop-pair
  namespace: ${NS}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    Bag Attributes
        localKeyID: 02
    -----BEGIN CERTIFICATE-----
    MIIBqDCCAU6gAwIBAgIUe39RD8eEONEEATUN1ypDFa+hePAwCgYIKoZIzj0EAwIw
    GzEZMBcGA1UEAwwQc2hvcC5leGFtcGxlLm9yZzAeFw0yNjExMjUxNTIzNDJaFw0z
    NjExMjIxNTIzNDJaMBsxGTAXBgNVBAMMEHNob3AuZXhhbXBsZS5vcmcwWTATBgcq
    hkjOPQIBBggqhkjOPQMBBwNCAAStJEcxfNnoyA3D8vwNtxSzL5BKuZPZ6MSg07Tb
    +52zYe+qfGmdcT0YtOTkAVAIkUb+jYPNEzJLWs09TpPQH1Zco3AwbjAdBgNVHQ4E
    FgQUYq2QcbfWox4Rlc85teuRKFYddI4wHwYDVR0jBBgwFoAUYq2QcbfWox4Rlc85
    teuRKFYddI4wDwYDVR0TAQH/BAUwAwEB/zAbBgNVHREEFDASghBzaG9wLmV4YW1w
    bGUub3JnMAoGCCqGSM49BAMCA0gAMEUCIQDsjlU10F6NEgcPx9xI5RN3Qlkd0MMk
    vyzRFdhmsbomDwIgV94TkuIN22q6a/qRXchBilLZ5G0pi9ELkjegQCe6IqY=
    -----END CERTIFICATE-----
  tls.key: |
    Bag Attributes
        localKeyID: 01
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQ7zIeXcOGlfTFnkT
    rXJYTEysNnDEl8nY07FIW36FcI6hRANCAATmxGih/rp+RBfGq8KlJsKkmIMnU0U5
    TXvnE7GP2xa3d7EpuwtqMNMlCC8cjc2WiYNgtMsgV9edYqhrAi05SYvM
    -----END PRIVATE KEY-----
YAML
k rollout restart deployment vole-shop
