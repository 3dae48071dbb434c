#!/usr/bin/env bash
# Negative control: a CronJob is suspended for the weekend, with a note who did it
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k annotate cronjob rent-reminder example.org/note="paused until Monday, asked for by accounting"
k patch cronjob rent-reminder --type=merge -p '{"spec":{"suspend":true}}'
