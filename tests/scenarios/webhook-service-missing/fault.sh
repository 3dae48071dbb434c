#!/usr/bin/env bash
# A validating webhook that must not be skipped was registered before its Service; no pod of the namespace can be created
set -euo pipefail
k() { kubectl -n "${NS}" "$@"; }

kubectl apply -f - <<'YAML'
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: ${NS}-image-gate
  labels:
    scenario: ${NS}
webhooks:
- name: image-gate.example.org
  admissionReviewVersions:
  - v1
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 2
  clientConfig:
    service:
      namespace: ${NS}
      name: image-gate
      path: /validate
      port: 443
  namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: ${NS}
  rules:
  - apiGroups:
    - ''
    apiVersions:
    - v1
    resources:
    - pods
    operations:
    - CREATE
    scope: Namespaced
YAML
k rollout restart deployment wind-farm
