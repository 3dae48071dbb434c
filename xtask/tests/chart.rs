//! The chart as helm renders it: golden files, and what is refused.
#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Renders the chart with more arguments; the text, or what helm says against it.
fn render(args: &[&str]) -> Result<String, String> {
    let output = Command::new(cluster::tools::helm().expect("helm"))
        .args(["template", "chatcli-operator", "charts/chatcli-operator", "--namespace", "chatcli-system"])
        .args(args)
        .current_dir(root())
        .env_remove("KUBECONFIG")
        .output()
        .expect("helm");
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Compares with a golden file, or writes it: `UPDATE_GOLDEN=1 cargo test -p xtask --test chart`.
fn golden(name: &str, text: &str) {
    let version = std::fs::read_to_string(root().join("charts/chatcli-operator/Chart.yaml")).unwrap();
    let version = version.lines().find_map(|line| line.strip_prefix("version: ")).unwrap();
    // The rules are generated, and compared with their source by `make lint`.
    let rules = std::fs::read_to_string(root().join("charts/chatcli-operator/files/operator-rules.yaml")).unwrap();
    let rules: Vec<String> = rules.trim().lines().map(|line| format!("  {line}")).collect();
    let text = text.replace(&rules.join("\n"), "  RULES").replace(version, "VERSION");
    let path = root().join("xtask/tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((number, (is, was))) = text.lines().zip(wanted.lines()).enumerate().find(|(_, (is, was))| is != was) {
        panic!("{}:{}: was {was:?}, is {is:?}; if that is meant: UPDATE_GOLDEN=1", path.display(), number + 1);
    }
    assert_eq!(text.lines().count(), wanted.lines().count(), "{}; if that is meant: UPDATE_GOLDEN=1", path.display());
}

/// Every object; a parser that refuses a key that is there twice reads it.
fn objects(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|one| serde_saphyr::from_str(one.trim_start_matches("---\n")).expect(one)).collect()
}

fn of_kind(objects: &[Value], kind: &str) -> Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind}")).clone()
}

#[test]
fn defaults() {
    let text = render(&[]).unwrap();
    golden("default.yaml", &text);
    let objects = objects(&text);
    let pod = of_kind(&objects, "Deployment")["spec"]["template"].clone();
    let selector = of_kind(&objects, "Service")["spec"]["selector"].clone();
    let matches = |labels: &Value| selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value);
    assert!(matches(&pod["metadata"]["labels"]));
    for job in objects.iter().filter(|object| object["kind"] == "Job") {
        assert!(!matches(&job["spec"]["template"]["metadata"]["labels"]), "the Service must not find hooks: {job}");
        assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["command"][0], "chatcli");
    }
    assert!(!text.contains("kubectl"), "no image of others is needed");
}

#[test]
fn every_option() {
    let text = render(&["-f", "crates/e2e/tests/install/every-option.yaml"]).unwrap();
    golden("every-option.yaml", &text);
    let objects = objects(&text);
    let labels = of_kind(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"].clone();
    for kind in ["NetworkPolicy", "PodDisruptionBudget"] {
        let object = of_kind(&objects, kind);
        let selector = object.pointer("/spec/podSelector").or_else(|| object.pointer("/spec/selector")).unwrap();
        for (key, value) in selector["matchLabels"].as_object().unwrap() {
            assert_eq!(&labels[key], value, "{kind} selects our pods");
        }
    }
    let ingress = of_kind(&objects, "Ingress");
    assert_eq!(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/rewrite-target"], "/$2");
    assert_eq!(ingress["spec"]["rules"][0]["http"]["paths"][0]["path"], "/chatcli(/|$)(.*)");
}

#[test]
fn the_lines_of_the_cookbook() {
    let text = render(&["--set", "prometheusUrl=http://prometheus-server.monitoring.svc:9090"]).unwrap();
    let env = of_kind(&objects(&text), "Deployment").pointer("/spec/template/spec/containers/0/env").unwrap().clone();
    let url = env.as_array().unwrap().iter().find(|env| env["name"] == "PROMETHEUS_URL").unwrap();
    assert_eq!(url["value"], "http://prometheus-server.monitoring.svc:9090");
    // Section 2.1: the CA for several Instances, by a variable and a volume.
    let text = render(&[
        "--set",
        "extraEnv[0].name=CHATCLI_GRPC_TLS_CA,extraEnv[0].value=/etc/grpc-ca/ca.crt",
        "--set",
        "extraVolumes[0].name=ca,extraVolumes[0].configMap.name=grpc-ca",
        "--set",
        "extraVolumeMounts[0].name=ca,extraVolumeMounts[0].mountPath=/etc/grpc-ca",
    ])
    .unwrap();
    golden("cookbook-ca.yaml", &text);
}

#[test]
fn a_sub_path_without_rewriting_arrives_as_it_is() {
    let on = ["--set", "ingress.enabled=true,ingress.host=a.example"];
    let ingress = |more: &str| {
        let text = render(&[&on[..], &["--set", more]].concat()).unwrap();
        of_kind(&objects(&text), "Ingress")
    };
    let plain = ingress("ingress.path=/chatcli,ingress.rewrite=false");
    assert_eq!(plain["spec"]["rules"][0]["http"]["paths"][0]["path"], "/chatcli");
    assert_eq!(plain["spec"]["rules"][0]["http"]["paths"][0]["pathType"], "Prefix");
    assert!(plain["metadata"]["annotations"].is_null());
    let whole = ingress("ingress.path=/");
    assert_eq!(whole["spec"]["rules"][0]["http"]["paths"][0]["path"], "/");
    assert!(whole["metadata"]["annotations"].is_null(), "there is nothing to take away");
}

#[test]
fn what_the_schema_refuses_is_named() {
    for (set, named) in [
        ("prometheusUrll=http://a", "prometheusUrll"),
        ("image.tagg=1", "tagg"),
        ("security.grpcTLS.ca=/a", "'ca'"),
        ("prometheusUrl=prometheus:9090", "prometheusUrl"),
        ("replicaCount=two", "replicaCount"),
        ("replicaCount=0", "replicaCount"),
        ("api.port=70000", "port"),
        ("service.type=Internal", "type"),
        ("leaderElect=maybe", "leaderElect"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("ingress.path=chatcli", "path"),
        ("security.apiTLS.certFile=tls.crt", "certFile"),
        ("extraEnv[0].nam=A", "nam"),
        ("apiKeys.keys[0].key=a,apiKeys.keys[0].role=root", "role"),
        ("resources.limits.memory=lots", "memory"),
        ("tmp.sizeLimit=big", "sizeLimit"),
    ] {
        let error = render(&["--set", set]).expect_err(set);
        assert!(error.contains("specifications of the schema") && error.contains(named), "{set}: {error}");
    }
}

#[test]
fn what_cannot_work_is_refused_with_the_remedy() {
    for (set, remedy) in [
        ("replicaCount=2,leaderElect=false", "remedy: leaderElect: true"),
        ("crdUpgrade.image.repository=mirror.example/kubectl", "remedy: remove crdUpgrade.image"),
        ("apiKeys.existingSecret=a,apiKeys.keys[0].key=a,apiKeys.keys[0].role=admin", "remedy: put all keys into"),
    ] {
        let error = render(&["--set", set]).expect_err(set);
        assert!(error.contains(remedy), "{set}: {error}");
    }
}

#[test]
fn values_of_the_existing_chart_are_still_accepted() {
    let text = render(&["-f", "xtask/tests/golden/existing-values.yaml"]).unwrap();
    let deployment = of_kind(&objects(&text), "Deployment");
    let env = deployment.pointer("/spec/template/spec/containers/0/env").unwrap().as_array().unwrap().clone();
    for name in [
        "CHATCLI_AIOPS_PORT",
        "PROMETHEUS_URL",
        "CHATCLI_OPERATOR_APP_VERSION",
        "CHATCLI_OPERATOR_DEV_MODE",
        "CHATCLI_AIOPS_TLS_CERT",
        "CHATCLI_AIOPS_TLS_KEY",
        "CHATCLI_GRPC_TLS_CERT",
        "CHATCLI_GRPC_TLS_KEY",
        "CHATCLI_GRPC_TLS_CA",
        "CHATCLI_ALLOWED_RESOURCE_TYPES",
        "CHATCLI_LOG_SCRUB_PATTERNS",
        "CHATCLI_CORS_ORIGIN",
        "CHATCLI_AUDIT_LOG_PATH",
    ] {
        assert!(env.iter().any(|env| env["name"] == name), "{name}");
    }
}
