#!/usr/bin/env bash
# Negative control: annotations and labels of several objects change, their specs do not
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k annotate deployment wool-price wool-sorter example.org/owner="team fibre"
k label service wool-price cost-centre=4711
k annotate configmap wool-price-notes example.org/reviewed="yes"
