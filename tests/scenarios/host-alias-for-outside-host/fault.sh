#!/usr/bin/env bash
# Negative control: a rollout adds a host alias for a machine outside of the cluster that no Service is called like
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

k patch deployment moor-rider --type=merge -p '{"spec": {"template": {"spec": {"hostAliases": [{"ip": "192.0.2.80", "hostnames": ["fax.example.org", "fax"]}]}}}}'
