use k8s_openapi::ByteString;
use kit::still::{Still, StillKind};
use serde_json::{Value, json};

use super::*;
use crate::replay::{play, tests as replay};

const SECRET: &str = "hunter2secret";

fn kind(plural: &str, kind: &str) -> StillKind {
    StillKind { group: String::new(), version: "v1".into(), plural: plural.into(), kind: kind.into(), namespaced: true }
}

/// The cluster of a bundle, with secrets in it where a cluster has them.
fn cluster(bundle: &Bundle) -> Still {
    let mut still = play::still(bundle);
    let pair = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    let value = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
    let secret = |name: &str, type_: &str, data: Value| json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "annotations": {"note": SECRET}}, "type": type_, "data": data});
    let secrets = kind("secrets", "Secret");
    still.put(&secrets, secret("db", "Opaque", json!({"password": value(SECRET)})));
    let tls = json!({"tls.crt": value(&pair.cert.pem()), "tls.key": value(&pair.signing_key.serialize_pem())});
    still.put(&secrets, secret("tls", "kubernetes.io/tls", tls));
    let data =
        json!({"app.yaml": format!("level: info\npassword: {SECRET}\n"), "URL": format!("postgres://a:{SECRET}@db/x")});
    still
        .put(&kind("configmaps", "ConfigMap"), json!({"metadata": {"name": "app", "namespace": "shop"}, "data": data}));
    let container = json!({"name": "app", "image": "x:1", "args": ["--api-token", SECRET],
        "env": [{"name": "DB_PASSWORD", "value": SECRET}], "resources": {"requests": {"cpu": "1"}}});
    let pod = |namespace: &str, phase: &str| {
        json!({"metadata": {"name": "other", "namespace": namespace}, "spec": {"nodeName": "node-a", "containers": [container]},
            "status": {"phase": phase}})
    };
    still.put(&kind("pods", "Pod"), pod("shop", "Succeeded"));
    still.put(&kind("pods", "Pod"), pod("bank", "Running"));
    still.put(
        &kind("configmaps", "ConfigMap"),
        json!({"metadata": {"name": "theirs", "namespace": "bank"}, "data": {"a": "b"}}),
    );
    still
}

async fn taken(still: Still, issue: &str) -> Bundle {
    let wanted = read::Wanted {
        namespace: "shop".into(),
        issue: issue.into(),
        log_lines: 100,
        limit: 1 << 20,
        at: "2026-03-01T10:05:00Z".parse().unwrap(),
    };
    read::bundle(&still.client(), &Scrubber::new("").unwrap(), &wanted).await.unwrap()
}

#[tokio::test]
async fn what_is_taken_from_a_cluster_is_explained_the_same_and_holds_no_secret() {
    let given = replay::bundle("memory-limit.json");
    let mut still = cluster(&given);
    let key = ("shop".into(), given.logs[0].pod.clone(), "mixer".into(), false);
    still.log(key, vec![format!("connecting with password={SECRET}"), "ready".into()]);
    let bundle = taken(still, "mixer-oom-kill-1").await;
    let text = bundle.write().unwrap();
    assert!(!text.contains(SECRET), "{}", text.lines().find(|line| line.contains(SECRET)).unwrap_or_default());
    let encoded = serde_json::to_string(&ByteString(SECRET.as_bytes().to_vec())).unwrap();
    assert!(
        !text.contains(encoded.trim_matches('"')) && !text.contains("PRIVATE KEY") && !text.contains("LS0tLS1CRUdJTi")
    );
    let read = Bundle::read(text.as_bytes()).unwrap();
    let find =
        |kind: &str, name: &str| read.objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
    assert_eq!(find("Secret", "db").unwrap()["keys"], json!(["password"]));
    assert_eq!(find("Secret", "tls").unwrap()["certificate"]["names"], json!(["shop.example"]));
    assert!(find("ConfigMap", "theirs").is_none(), "another namespace's configuration is nobody's business");
    let neighbour = read.objects.iter().find(|o| o["kind"] == "Pod" && o["metadata"]["namespace"] == "bank").unwrap();
    assert_eq!(neighbour["spec"]["containers"][0], json!({"name": "app", "resources": {"requests": {"cpu": "1"}}}));
    assert_eq!(read.logs.len(), 2, "{:?}", read.logs);
    assert!(read.missing.is_empty() && read.left_out.is_empty(), "{:?} {:?}", read.missing, read.left_out);
    let played = play::play(read, Duration::from_mins(1)).await.unwrap();
    assert!(played.as_before(), "{}", played.text());
}

#[tokio::test]
async fn what_may_not_be_read_is_named_and_the_rest_is_taken() {
    let given = replay::bundle("config-key.json");
    let mut still = cluster(&given);
    still.refuse(&kind("secrets", "Secret"), "secrets is forbidden: User \"ana\" cannot list it");
    let bundle = taken(still, "maps-deploy-failing-1").await;
    assert!(bundle.missing["Secret"].contains("forbidden"), "{:?}", bundle.missing);
    assert!(!bundle.objects.iter().any(|object| object["kind"] == "Secret"));
    let played = play::play(bundle, Duration::from_mins(1)).await.unwrap();
    assert!(played.as_before(), "{}", played.text());
}

#[tokio::test]
async fn an_issue_that_is_not_there_is_said_with_the_remedy() {
    let wanted = read::Wanted {
        namespace: "shop".into(),
        issue: "other".into(),
        log_lines: 0,
        limit: 1 << 20,
        at: "2026-03-01T10:05:00Z".parse().unwrap(),
    };
    let client = cluster(&replay::bundle("memory-limit.json")).client();
    let said = read::bundle(&client, &Scrubber::new("").unwrap(), &wanted).await.unwrap_err().to_string();
    assert!(said.contains("Issue shop/other does not exist") && said.contains("remedy"), "{said}");
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("chatcli-bundle-{}.json", std::process::id()));
    write(&path, "{}").unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}
