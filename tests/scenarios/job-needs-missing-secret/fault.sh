#!/usr/bin/env bash
# The pod of a CronJob started by hand cannot be configured: a Secret was renamed
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k delete secret export-login
k create secret generic export-credentials --from-literal=token=n0t-real
k create job export-nightly-manual --from=cronjob/export-nightly
