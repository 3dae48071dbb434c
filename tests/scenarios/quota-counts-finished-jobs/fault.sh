#!/usr/bin/env bash
# Two finished Jobs use up what a quota on the number of Jobs allows; the CronJob that is resumed cannot create any
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch cronjob fern-sweep --type=merge -p '{"spec": {"suspend": false}}'
for _ in $(seq 80); do
  [ -z "$(k get events --field-selector involvedObject.name=fern-sweep,reason=FailedCreate -o name)" ] || break
  sleep 1
done
