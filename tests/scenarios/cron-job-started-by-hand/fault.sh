#!/usr/bin/env bash
# Negative control: a CronJob that is due once a month is run once by hand and completes
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k create job meter-statement-manual --from=cronjob/meter-statement
