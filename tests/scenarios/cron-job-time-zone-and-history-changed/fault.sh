#!/usr/bin/env bash
# Negative control: a CronJob gets a time zone, another hour and a shorter history; nothing is due
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch cronjob owl-round --type=merge -p '{"spec": {"timeZone": "Etc/UTC", "schedule": "15 4 11 * *", "successfulJobsHistoryLimit": 1, "startingDeadlineSeconds": 300}}'
