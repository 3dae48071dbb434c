#!/usr/bin/env bash
# A run hangs
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch cronjob rates --type=json -p '[{"op":"replace","path":"/spec/suspend","value":false},{"op":"replace","path":"/spec/jobTemplate/spec/template/spec/containers/0/command/2","value":"sleep 3600"}]'
for _ in $(seq 80); do
  [ -z "$(k get pods -l app=rates -o name)" ] || break
  sleep 1
done
