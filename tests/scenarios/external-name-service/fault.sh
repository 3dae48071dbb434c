#!/usr/bin/env bash
# Negative control: a Service of type ExternalName is added and a workload is pointed to it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata:
  name: mail-relay
  namespace: ${NS}
spec:
  type: ExternalName
  externalName: mail.example.org
YAML
k set env deployment invoice-sender MAIL_HOST=mail-relay
