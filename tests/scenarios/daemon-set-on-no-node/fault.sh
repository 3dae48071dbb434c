#!/usr/bin/env bash
# The node selector of a DaemonSet is changed to a label that no node has: it runs nowhere, and nothing fails
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch daemonset frost-agent --type=merge -p '{"spec":{"template":{"spec":{"nodeSelector":{"sensors":"outdoor"}}}}}'
