use super::*;
use crate::graph::fixture::running;
use crate::graph::rules::trial::{found, is, one, says, silent};

const MAP: &str = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {DB_HOST: db, LEVEL: info}
";

fn web(container: &str) -> String {
    running("web", &format!("containers:\n- name: web\n  image: web\n{container}"))
}

#[test]
fn a_variable_that_is_set_twice() {
    let finding = one(
        environment,
        &web("  env: [{name: MODE, value: fast}, {name: OTHER, value: x}, {name: MODE, value: slow}]"),
    );
    is(&finding, "Deployment/web", "spec.template.spec.containers[0].env[2].value", "slow", Standing::Suspect);
    says(&finding, &["sets env MODE twice, first to fast and then to slow"]);
    assert!(finding.words.is_empty(), "plain words stand in any line");
    silent(environment, &web("  env: [{name: MODE, value: fast}, {name: MODE, value: fast}]"));
    // What a name calls secret is not shown.
    let finding =
        one(environment, &web("  env: [{name: DB_PASSWORD, value: hunter2}, {name: DB_PASSWORD, value: swordfish}]"));
    assert!(!finding.cause.statement.contains("hunter2") && !finding.cause.statement.contains("swordfish"));
}

#[test]
fn a_variable_that_overrides_a_shared_one() {
    let shared = "  envFrom: [{configMapRef: {name: shared}}]\n";
    let finding = one(environment, &(web(&format!("{shared}  env: [{{name: DB_HOST, value: db-old}}]")) + MAP));
    is(&finding, "Deployment/web", "spec.template.spec.containers[0].env[0].value", "db-old", Standing::Suspect);
    says(&finding, &["sets env DB_HOST to db-old, which overrides db from ConfigMap shared"]);
    assert_eq!(finding.words, ["DB_HOST", "db-old"]);
    silent(environment, &(web(&format!("{shared}  env: [{{name: DB_HOST, value: db}}]")) + MAP));
    silent(environment, &(web(&format!("{shared}  env: [{{name: OTHER, value: db}}]")) + MAP));
}

#[test]
fn two_sources_with_the_same_key() {
    let other = |value: &str| {
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: winter}}\ndata: {{DB_HOST: {value}}}\n")
    };
    let both = web("  envFrom: [{configMapRef: {name: shared}}, {configMapRef: {name: winter}}]") + MAP;
    let finding = one(environment, &(both.clone() + &other("db-2")));
    is(&finding, "Deployment/web", "spec.template.spec.containers[0].envFrom[1]", "winter", Standing::Suspect);
    says(
        &finding,
        &[
            "takes env DB_HOST from two sources in envFrom: db-2 from ConfigMap winter overrides db from ConfigMap shared",
        ],
    );
    silent(environment, &(both.clone() + &other("db")));
    silent(environment, &both);
}

#[test]
fn a_variable_that_does_not_exist_stays_as_it_is() {
    let finding =
        one(environment, &web("  env: [{name: DB_HOST, value: db}, {name: URL, value: 'tcp://$(DB_HOTS):5432'}]"));
    says(
        &finding,
        &["variable DB_HOTS does not exist in the container, so $(DB_HOTS) stays as it is; did you mean DB_HOST?"],
    );
    let finding = one(environment, &web("  env: [{name: URL, value: 'tcp://$(DB_HOST)'}, {name: DB_HOST, value: db}]"));
    says(&finding, &["is set only after it"]);
    silent(environment, &web("  env: [{name: DB_HOST, value: db}, {name: URL, value: 'tcp://$(DB_HOST)'}]"));
    silent(
        environment,
        &web("  env: [{name: URL, value: '$$(DB_HOST) $(hostname) $( $(KUBERNETES_SERVICE_HOST) 5$'}]"),
    );
    silent(
        environment,
        &(web("  envFrom: [{configMapRef: {name: shared}}]\n  env: [{name: URL, value: $(DB_HOST)}]") + MAP),
    );
    // What a Secret that may not be read has is not known.
    silent(environment, &web("  envFrom: [{secretRef: {name: hidden}}]\n  env: [{name: URL, value: $(DB_HOST)}]"));
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: my-db}\nspec: {ports: [{port: 1}]}\n";
    silent(environment, &(web("  env: [{name: URL, value: $(MY_DB_SERVICE_HOST)}]") + service));
}

#[test]
fn a_probe_asks_for_a_port_by_name() {
    let ports = "  ports: [{name: http, containerPort: 8080}]\n";
    let finding = one(probes, &web(&format!("{ports}  readinessProbe: {{httpGet: {{path: /, port: htpp}}}}")));
    is(
        &finding,
        "Deployment/web",
        "spec.template.spec.containers[0].readinessProbe.httpGet.port",
        "htpp",
        Standing::Latent,
    );
    says(
        &finding,
        &["asks for port htpp, which does not exist", "8080 (http)", "never becomes ready; did you mean http?"],
    );
    silent(probes, &web(&format!("{ports}  readinessProbe: {{tcpSocket: {{port: http}}}}")));
    silent(probes, &web(&format!("{ports}  readinessProbe: {{httpGet: {{port: '8080'}}}}")));
    // The name is looked for in the same container only.
    let other = running(
        "web",
        "containers:\n- name: web\n  livenessProbe: {httpGet: {port: admin}}\n- name: side\n  ports: [{name: admin, containerPort: 9000}]",
    );
    let finding = one(probes, &other);
    says(&finding, &["declares no port, so it never succeeds"]);
    assert_eq!(finding.severity, Severity::Medium);
}

#[test]
fn a_probe_asks_for_a_port_by_number() {
    let ports = "  ports: [{containerPort: 8080}]\n";
    let finding = one(probes, &web(&format!("{ports}  livenessProbe: {{httpGet: {{port: 8081}}}}")));
    is(
        &finding,
        "Deployment/web",
        "spec.template.spec.containers[0].livenessProbe.httpGet.port",
        "8081",
        Standing::Suspect,
    );
    silent(probes, &web(&format!("{ports}  livenessProbe: {{httpGet: {{port: 8080}}}}")));
    silent(probes, &web("  livenessProbe: {httpGet: {port: 8081}}"));
    silent(probes, &web(&format!("{ports}  livenessProbe: {{httpGet: {{port: 8081, host: 10.0.0.1}}}}")));
    silent(probes, &web(&format!("{ports}  livenessProbe: {{exec: {{command: [ls]}}}}")));
}

const DB: &str = "---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.7, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, ports: [{port: 53}]}
";

#[test]
fn names_of_services_that_do_not_resolve() {
    let with = |dns: &str| {
        running(
            "web",
            &format!("{dns}\ncontainers:\n- name: web\n  env: [{{name: URL, value: 'tcp://db.shop.svc:5432'}}]"),
        ) + DB
    };
    let finding = one(names, &with("hostNetwork: true"));
    is(&finding, "Deployment/web", "spec.template.spec.dnsPolicy", "ClusterFirst", Standing::Suspect);
    says(&finding, &["on the host's network", "the name of Service db, which they use, does not resolve"]);
    let finding = one(names, &with("dnsPolicy: None\ndnsConfig: {nameservers: [8.8.8.8]}"));
    is(&finding, "Deployment/web", "spec.template.spec.dnsConfig.nameservers", "8.8.8.8", Standing::Suspect);
    silent(names, &with("dnsPolicy: ClusterFirst"));
    silent(names, &with("hostNetwork: true\ndnsPolicy: ClusterFirstWithHostNet"));
    silent(names, &with("dnsPolicy: None\ndnsConfig: {nameservers: [10.96.0.10]}"));
    silent(names, &with("dnsPolicy: None\ndnsConfig: {nameservers: [169.254.20.10]}"));
    // Pods that use no Service need no cluster DNS.
    silent(names, &(running("web", "hostNetwork: true\ncontainers: [{name: web}]") + DB));
}

#[test]
fn aliases_that_hide_a_service() {
    let with = |host: &str, ip: &str| {
        running("web", &format!("hostAliases: [{{ip: {ip}, hostnames: [{host}]}}]\ncontainers: [{{name: web}}]")) + DB
    };
    let finding = one(names, &with("db", "10.0.0.9"));
    is(&finding, "Deployment/web", "spec.template.spec.hostAliases[0].ip", "10.0.0.9", Standing::Suspect);
    silent(names, &with("db", "10.96.0.7"));
    silent(names, &with("db.example.com", "10.0.0.9"));
    silent(names, &with("printer", "10.0.0.9"));
}

#[test]
fn huge_environments_take_their_time_and_no_more() {
    let env = (0..5000).map(|n| format!("{{name: V{n}, value: '$(V{n})'}}")).collect::<Vec<_>>().join(", ");
    let start = std::time::Instant::now();
    let all = found(environment, &web(&format!("  env: [{env}]")));
    assert_eq!(all.len(), 8);
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    let long = "x".repeat(100_000);
    let all = found(environment, &web(&format!("  env: [{{name: A, value: {long}}}, {{name: A, value: '$('}}]")));
    assert_eq!(all.len(), 1);
}
