//! What surrounds a workload, in words: for a language model, and for people.
//!
//! What lives here: lines of plain text about the objects that a workload is connected with. What does not: whether
//! something is wrong with one of them (`rules`). Values are left out: a name tells how things hang together, a value may be
//! a secret.

use std::collections::BTreeSet;

use api::shared::ObjectRef;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::query::{name, selects};
use super::{Finding, Graph, Workload, same};
use crate::diagnosis::refs::references;

/// Most lines that are told.
const LINES: usize = 60;

fn number(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

impl Graph {
    /// What a workload of this namespace is connected with, a line each, and what is wrong around it.
    pub fn around(&self, workload: &ObjectRef, findings: &[Finding]) -> Vec<String> {
        let Some(workload) = self.workload(workload) else { return Vec::new() };
        let mut lines = Vec::new();
        self.fronted(workload, &mut lines);
        self.referred(workload, &mut lines);
        self.bound(workload, &mut lines);
        self.placed(workload, &mut lines);
        for finding in findings {
            let (about, cause) = (&finding.about, &finding.cause);
            let mine = same(about, &workload.object) || finding.concerns.iter().any(|o| same(o, &workload.object));
            let whose = if mine { "about this workload" } else { "elsewhere in the namespace" };
            lines.push(format!("{:?}, {whose}: {}", finding.standing, cause.statement));
        }
        let left = lines.len().saturating_sub(LINES);
        lines.truncate(LINES);
        if left > 0 {
            lines.push(format!("and {left} more"));
        }
        lines
    }

    /// Services before it, and the Ingresses before those.
    fn fronted(&self, workload: &Workload, lines: &mut Vec<String>) {
        for service in self.fronts(workload) {
            let called = name(&service.metadata);
            let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
            let ports: Vec<String> = ports
                .map(|port| {
                    format!("{} → {}", port.port, port.target_port.as_ref().map_or(port.port.to_string(), number))
                })
                .collect();
            let ready = self.selected(service).filter(|pod| pod.ready).count();
            lines.push(format!("Service {called} sends port {} to {ready} ready pods", ports.join(", ")));
            for ingress in &self.ingresses {
                let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
                for rule in rules {
                    let paths = rule.http.iter().flat_map(|http| &http.paths);
                    for path in paths.filter(|p| p.backend.service.as_ref().is_some_and(|s| s.name == called)) {
                        let host = rule.host.as_deref().unwrap_or("*");
                        let route = path.path.as_deref().unwrap_or("/");
                        lines.push(format!("Ingress {} sends {host}{route} to it", name(&ingress.metadata)));
                    }
                }
            }
        }
    }

    /// ConfigMaps, Secrets and claims that its pod spec names, and the variables that name Services.
    fn referred(&self, workload: &Workload, lines: &mut Vec<String>) {
        let mut told = BTreeSet::new();
        for reference in references(&workload.spec) {
            if !told.insert((reference.kind, reference.name.clone())) {
                continue;
            }
            let there = match reference.kind {
                "ConfigMap" => self.config_map(&reference.name).map(|map| (String::new(), map.keys.clone())),
                "Secret" => self.secret(&reference.name).map(|secret| (secret.type_.clone(), secret.keys.clone())),
                _ => continue,
            };
            let state = match there {
                None if !self.knows(reference.kind) => "may not be read".to_owned(),
                None => "does not exist".to_owned(),
                Some((_, None)) => "exists".to_owned(),
                Some((type_, Some(keys))) => {
                    let keys: Vec<&str> = keys.iter().map(String::as_str).take(20).collect();
                    format!("{type_} has keys {}", keys.join(", ")).trim_start().to_owned()
                }
            };
            lines.push(format!("{} {} at {}: {state}", reference.kind, reference.name, reference.path));
        }
        let variables = workload.spec.containers.iter().flat_map(|c| c.env.iter().flatten().map(move |env| (c, env)));
        for (container, env) in variables {
            let Some(value) = &env.value else { continue };
            let named = self.services.iter().map(|service| name(&service.metadata)).find(|service| {
                value.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == *service)
            });
            if let Some(service) = named {
                lines.push(format!("variable {} of container {} names Service {service}", env.name, container.name));
            }
        }
        for volume in workload.spec.volumes.iter().flatten() {
            let Some(claim) = &volume.persistent_volume_claim else { continue };
            let there = self.claims.iter().find(|known| name(&known.metadata) == claim.claim_name);
            let phase = there.map_or("does not exist", |known| {
                known.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("has no phase")
            });
            lines.push(format!("PersistentVolumeClaim {}: {phase}", claim.claim_name));
        }
    }

    /// What limits, scales and guards it.
    fn bound(&self, workload: &Workload, lines: &mut Vec<String>) {
        for scaler in &self.autoscalers {
            let Some(spec) = &scaler.spec else { continue };
            let target = &spec.scale_target_ref;
            if target.kind == workload.object.kind && target.name == workload.object.name {
                let least = spec.min_replicas.unwrap_or(1);
                let now = scaler.status.as_ref().and_then(|status| status.current_replicas).unwrap_or_default();
                lines.push(format!(
                    "HorizontalPodAutoscaler {} keeps {least} to {} replicas, {now} now",
                    name(&scaler.metadata),
                    spec.max_replicas
                ));
            }
        }
        for budget in &self.budgets {
            let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            if selector.is_some_and(|selector| selects(selector, &workload.pod_labels)) {
                let allowed = budget.status.as_ref().map_or(0, |status| status.disruptions_allowed);
                lines.push(format!(
                    "PodDisruptionBudget {} allows {allowed} of its pods to be evicted",
                    name(&budget.metadata)
                ));
            }
        }
        for policy in &self.policies {
            let Some(spec) = &policy.spec else { continue };
            if spec.pod_selector.as_ref().is_none_or(|selector| selects(selector, &workload.pod_labels)) {
                let types =
                    spec.policy_types.as_ref().map_or_else(|| "Ingress".to_owned(), |types| types.join(" and "));
                lines.push(format!("NetworkPolicy {} limits its {types} traffic", name(&policy.metadata)));
            }
        }
        for quota in &self.quotas {
            let Some(status) = &quota.status else { continue };
            let used: Vec<String> = status
                .hard
                .iter()
                .flatten()
                .map(|(what, hard)| {
                    let used = status.used.as_ref().and_then(|used| used.get(what)).map_or("0", |used| &used.0);
                    format!("{what} {used} of {}", hard.0)
                })
                .collect();
            lines.push(format!("ResourceQuota {}: {}", name(&quota.metadata), used.join(", ")));
        }
    }

    /// Where its pods are.
    fn placed(&self, workload: &Workload, lines: &mut Vec<String>) {
        let mine = self.pods.iter().filter(|pod| same(&pod.workload, &workload.object));
        for pod in mine.take(20) {
            let node = pod.node.as_deref().map_or_else(|| "no node".to_owned(), |node| format!("node {node}"));
            let ready = if pod.ready { "ready" } else { "not ready" };
            lines.push(format!("pod {} on {node}, {ready}", pod.object.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::fixture::{graph, running};
    use crate::graph::rules::findings;

    #[test]
    fn what_is_connected_is_named_and_no_value_is_told() {
        let spec = "containers:\n- name: web\n  image: web\n  env:\n  - {name: DB, value: 'postgres://u:hunter2@store:5432'}\n  envFrom:\n  - configMapRef: {name: settings}\n  - secretRef: {name: gone}\n  ports: [{name: http, containerPort: 8080}]";
        let found = graph(&format!(
            "{}{}---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: http}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: store}}
spec: {{selector: {{app: store}}, ports: [{{port: 5432}}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{PASSWORD: hunter2}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: shop}}
spec: {{rules: [{{host: shop.example.org, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: closed}}
spec: {{podSelector: {{}}, policyTypes: [Ingress]}}
",
            running("web", spec),
            running("store", "containers:\n- name: store\n  image: store"),
        ));
        let wrong = findings(&found, "2026-11-25T10:00:00Z".parse().unwrap());
        let web = found.workloads.iter().find(|workload| workload.object.name == "web").unwrap();
        let lines = found.around(&web.object, &wrong);
        for wanted in [
            "Service web sends port 80 → http to 1 ready pods",
            "Ingress shop sends shop.example.org/ to it",
            "has keys PASSWORD",
            "Secret gone at",
            "variable DB of container web names Service store",
            "NetworkPolicy closed limits its Ingress traffic",
            "on no node, ready",
        ] {
            assert!(lines.iter().any(|line| line.contains(wanted)), "{wanted}: {lines:#?}");
        }
        let told: Vec<String> = lines.iter().map(|line| crate::llm::told(line)).collect();
        assert!(!told.iter().any(|line| line.contains("hunter2")), "{told:#?}");
        let nobody = api::shared::ObjectRef { name: "nobody".into(), ..web.object.clone() };
        assert!(found.around(&nobody, &wrong).is_empty());
    }
}
