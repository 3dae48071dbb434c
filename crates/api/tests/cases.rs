//! Legal and wrong manifests of every kind, against a real API server.
//!
//! `cases/<kind>.yaml`: `spec` is legal as it is. Each case under `accept` and `reject` is a JSON merge patch over it; under
//! `update`, over the object that is already there; under `status`, it is the status that somebody writes. Whatever is
//! accepted must keep every field; a refusal must name `field`, in words.

// Tests may panic.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::cluster::{Namespace, client, control_plane};

/// How many requests are under way at a time.
const AT_A_TIME: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    kind: String,
    spec: Value,
    accept: Vec<Case>,
    reject: Vec<Case>,
    #[serde(default)]
    update: Changes,
    #[serde(default)]
    status: Changes,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Changes {
    #[serde(default)]
    accept: Vec<Case>,
    #[serde(default)]
    reject: Vec<Case>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    patch: Value,
    #[serde(default)]
    field: String,
}

/// The API server, one namespace, and the plural of each kind.
struct Server<'a> {
    client: Client,
    namespace: Namespace<'a>,
    plurals: BTreeMap<String, String>,
}

impl Server<'_> {
    async fn send(&self, method: &str, kind: &str, rest: &str, query: &str, body: &Value) -> Result<Value, String> {
        let plural = &self.plurals[kind];
        let uri = format!(
            "/apis/platform.chatcli.io/v1alpha1/namespaces/{}/{plural}{rest}?fieldValidation=Strict&fieldManager=cases{query}",
            self.namespace.name
        );
        let content = match method {
            "PATCH" if query.contains("force") => "application/apply-patch+yaml",
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .header("Content-Type", content)
            .body(body.to_string().into_bytes())
            .expect("request");
        self.client.request::<Value>(request).await.map_err(|error| match error {
            kube::Error::Api(status) => status.message.clone(),
            other => panic!("{kind}: the API server does not answer: {other}"),
        })
    }

    /// Installs the definitions and waits until the API server serves them.
    async fn install(&self) {
        for (name, text) in api::crds::manifests().expect("definitions") {
            let body: Value = serde_saphyr::from_str(&text).expect("YAML");
            let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
            let request = http::Request::patch(format!("{path}?fieldManager=cases&force=true&fieldValidation=Strict"))
                .header("Content-Type", "application/apply-patch+yaml")
                .body(body.to_string().into_bytes())
                .expect("request");
            self.client.request::<Value>(request).await.unwrap_or_else(|error| panic!("{name} is refused: {error}"));
        }
        for kind in self.plurals.keys() {
            let probe = object(kind, "probe", &json!({}));
            let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
            // Definitions of an earlier run may still be served; the message about the newest rule is what counts then.
            while let Err(message) = self.send("POST", kind, "", "&dryRun=All", &probe).await {
                if !message.contains("could not find") && !message.contains("404") {
                    break;
                }
                assert!(tokio::time::Instant::now() < deadline, "{kind} is not served: {message}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "platform.chatcli.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn patched(base: &Value, patch: &Value) -> Value {
    let mut spec = base.clone();
    json_patch::merge(&mut spec, patch);
    spec
}

/// Fields of `sent` that `kept` does not have.
fn lost(sent: &Value, kept: &Value, path: &str) -> Vec<String> {
    match (sent, kept) {
        (Value::Object(fields), Value::Object(others)) => fields
            .iter()
            .flat_map(|(name, value)| lost(value, others.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}")))
            .collect(),
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => items
            .iter()
            .zip(others)
            .enumerate()
            .flat_map(|(place, (a, b))| lost(a, b, &format!("{path}[{place}]")))
            .collect(),
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Vec::new(),
        (a, b) if a == b => Vec::new(),
        (a, b) => vec![format!("{path}: {a} became {b}")],
    }
}

/// What is wrong with a refusal, if anything.
fn complaint(case: &Case, answer: &Result<Value, String>) -> Option<String> {
    match answer {
        Ok(_) => Some("is accepted".to_owned()),
        Err(message) if !message.contains(&case.field) => {
            Some(format!("the refusal does not name {}: {message}", case.field))
        }
        // A regular expression is no remedy.
        Err(message) if message.contains("in body should match") => {
            Some(format!("the refusal only prints a pattern: {message}"))
        }
        Err(message) if message.contains("no such key") || message.contains("no such overload") => {
            Some(format!("the rule itself fails: {message}"))
        }
        Err(_) => None,
    }
}

/// `1e9` becomes a whole number, as it does in kubectl.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|f| number.is_f64() && f.fract() == 0.0) {
                *value = json!(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

fn kinds() -> Vec<Cases> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("cases").map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file).expect("cases");
            let mut value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            whole_numbers(&mut value);
            serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        })
        .collect()
}

/// Wrong manifests that are the same for every kind.
fn wrong_everywhere(kind: &Cases) -> Vec<(Case, Value)> {
    let case = |name: &str, field: &str| Case { name: name.to_owned(), field: field.to_owned(), patch: Value::Null };
    let mut bare = object(&kind.kind, "x", &json!({}));
    bare.as_object_mut().expect("object").remove("spec");
    vec![
        (case("no spec at all", "spec"), bare),
        (case("an empty spec", "spec"), object(&kind.kind, "x", &json!({}))),
        (case("a spec that is a list", "spec"), object(&kind.kind, "x", &json!([]))),
        (
            case("a field that does not exist", "nonsense"),
            object(&kind.kind, "x", &patched(&kind.spec, &json!({"nonsense": 1}))),
        ),
    ]
}

async fn try_kind(server: &Server<'_>, kind: &Cases) -> (usize, usize, Vec<String>) {
    let name = &kind.kind;
    let mut wrong = Vec::new();
    let accepted: Vec<Option<String>> = stream::iter(&kind.accept)
        .map(async |case| {
            let body = object(name, "x", &patched(&kind.spec, &case.patch));
            let answer = server.send("POST", name, "", "&dryRun=All", &body).await;
            let applied = server.send("PATCH", name, "/x", "&force=true&dryRun=All", &body).await;
            for answer in [answer, applied] {
                match answer {
                    Err(message) => return Some(format!("{name}, {}: refused: {message}", case.name)),
                    Ok(kept) => {
                        let lost = lost(&body["spec"], &kept["spec"], "spec");
                        if !lost.is_empty() {
                            return Some(format!("{name}, {}: lost {}", case.name, lost.join(", ")));
                        }
                    }
                }
            }
            None
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let mut rejects = wrong_everywhere(kind);
    rejects.extend(kind.reject.iter().map(|case| (case.clone(), object(name, "x", &patched(&kind.spec, &case.patch)))));
    let refused: Vec<Option<String>> = stream::iter(&rejects)
        .map(async |(case, body)| {
            let answer = server.send("POST", name, "", "&dryRun=All", body).await;
            complaint(case, &answer).map(|text| format!("{name}, {}: {text}", case.name))
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let (mut good, mut bad) = (accepted.len(), refused.len());
    wrong.extend(accepted.into_iter().chain(refused).flatten());

    let existing = "there";
    if let Err(message) = server.send("POST", name, "", "", &object(name, existing, &kind.spec)).await {
        wrong.push(format!("{name}: cannot be created: {message}"));
        return (good, bad, wrong);
    }
    for (changes, rest, key) in
        [(&kind.update, format!("/{existing}"), "spec"), (&kind.status, format!("/{existing}/status"), "status")]
    {
        for case in &changes.accept {
            good += 1;
            match server.send("PATCH", name, &rest, "&dryRun=All", &json!({key: case.patch})).await {
                Err(message) => wrong.push(format!("{name}, {key}, {}: refused: {message}", case.name)),
                Ok(kept) => wrong.extend(
                    lost(&case.patch, &kept[key], key)
                        .into_iter()
                        .map(|text| format!("{name}, {}: lost {text}", case.name)),
                ),
            }
        }
        for case in &changes.reject {
            bad += 1;
            let answer = server.send("PATCH", name, &rest, "&dryRun=All", &json!({key: case.patch})).await;
            wrong.extend(complaint(case, &answer).map(|text| format!("{name}, {key}, {}: {text}", case.name)));
        }
    }
    (good, bad, wrong)
}

#[tokio::test]
async fn legal_manifests_are_accepted_whole_and_wrong_ones_refused_with_the_field_and_the_remedy() {
    let Some(cluster) = control_plane() else { return };
    let plurals =
        api::crds::all().into_iter().map(|crd| (crd.spec.names.kind.clone(), crd.spec.names.plural.clone())).collect();
    let server = Server { client: client(cluster).await, namespace: Namespace::new(cluster, "cases"), plurals };
    server.install().await;
    let kinds = kinds();
    let missing: Vec<_> = server.plurals.keys().filter(|kind| !kinds.iter().any(|k| k.kind == **kind)).collect();
    let (mut good, mut bad, mut wrong) = (0, 0, Vec::new());
    for kind in &kinds {
        let (accepted, refused, complaints) = try_kind(&server, kind).await;
        println!("{:<22} {accepted:>3} legal, {refused:>3} wrong", kind.kind);
        good += accepted;
        bad += refused;
        wrong.extend(complaints);
    }
    println!("together: {good} legal, {bad} wrong, {} not as it must be", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(missing.is_empty(), "kinds without cases: {missing:?}");
    assert!(bad >= 295, "only {bad} wrong manifests");
}
