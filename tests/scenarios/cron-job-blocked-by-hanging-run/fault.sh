#!/usr/bin/env bash
# A run of a CronJob hangs, and concurrencyPolicy Forbid skips every run after it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch cronjob rates-fetch --type=json -p '[{"op":"replace","path":"/spec/suspend","value":false},{"op":"replace","path":"/spec/jobTemplate/spec/template/spec/containers/0/command/2","value":"echo \"rates-fetch: GET https://rates.example.org\"; sleep 3600"}]'
for _ in $(seq 80); do
  [ -z "$(k get pods -l app=rates-fetch -o name)" ] || break
  sleep 1
done
