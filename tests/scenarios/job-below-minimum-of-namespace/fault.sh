#!/usr/bin/env bash
# A LimitRange gets a minimum of memory; the next run of a CronJob asks for less and its pod is refused
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k apply -f - <<'YAML'
apiVersion: v1
kind: LimitRange
metadata:
  name: south-habits
  namespace: ${NS}
spec:
  limits:
  - type: Container
    max:
      memory: 1Gi
    min:
      memory: 48Mi
YAML
sleep 2
k create job --from=cronjob/plover-count plover-count-by-hand
