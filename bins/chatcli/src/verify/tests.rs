use kit::still::Still;
use serde_json::{Value, json};

use super::*;
use crate::replay::{play, tests as replay};

const ISSUE: &str = "mixer-oom-kill-1";

/// The cluster of the bundle, whose proof has a step of every kind.
fn cluster(change: impl Fn(&mut Value)) -> Still {
    let mut bundle = replay::bundle("memory-limit.json");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "mixer-7c9d8b5f4-q8w2z"});
    let step = |object: &Value, path: Option<&str>, value: &str| {
        let mut step = json!({"object": object, "value": value, "rule": "r"});
        if let Some(path) = path {
            step["path"] = json!(path);
        }
        step
    };
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "namespace": "shop", "name": "gone"});
    // The version is not always known.
    let service = json!({"kind": "Service", "namespace": "shop", "name": "mixer"});
    let proof = json!([
        step(&pod, None, "OOMKilled, exit 137"),
        step(&pod, Some("log of container mixer"), "loading"),
        step(&secret, Some("metadata.name"), "(absent)"),
        step(&service, Some("spec.selector"), "app=mixer"),
        step(&service, Some("spec.ports[http].targetPort"), "8080"),
    ]);
    for object in &mut bundle.objects {
        if object["kind"] == "AIInsight" {
            object["status"]["rootCause"]["proof"] = proof.clone();
        }
        change(object);
    }
    play::still(&bundle)
}

async fn verified(change: impl Fn(&mut Value)) -> Verified {
    verify(&cluster(change).client(), "shop", ISSUE).await.unwrap()
}

fn words(verified: &Verified) -> Vec<&'static str> {
    verified.steps.iter().map(|(_, found)| found.verdict.word()).collect()
}

#[tokio::test]
async fn a_proof_that_still_holds_ends_well_and_says_what_cannot_be_read_again() {
    let verified = verified(|_| {}).await;
    assert_eq!(words(&verified), ["holds", "seen", "seen", "holds", "holds", "holds"]);
    assert_eq!(format!("{:?}", verified.end().unwrap()), format!("{:?}", ExitCode::SUCCESS));
    let text = verified.text();
    for part in ["NOW", "Deployment shop/mixer", "24Mi", "all 4 facts that can be read again hold; 2 seen at a time"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let json: Value = serde_json::from_str(&verified.json().unwrap()).unwrap();
    assert_eq!((json["holds"].as_bool(), json["steps"].as_array().unwrap().len()), (Some(true), 6));
}

#[tokio::test]
async fn a_field_that_was_mended_and_an_object_that_is_gone_end_with_their_code() {
    let mended = verified(|object| {
        if object["kind"] == "Deployment" {
            object["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("160Mi");
        }
        if object["kind"] == "Service" {
            object["metadata"]["name"] = json!("renamed");
        }
    })
    .await;
    assert_eq!(words(&mended), ["changed", "seen", "seen", "holds", "gone", "gone"]);
    assert_eq!(format!("{:?}", mended.end().unwrap()), format!("{:?}", ExitCode::from(REFUTED)));
    assert!(
        mended.text().contains("now 160Mi") && mended.text().contains("3 of 4 facts do not hold"),
        "{}",
        mended.text()
    );
}

#[tokio::test]
async fn what_may_not_be_read_is_no_success_and_an_issue_without_a_cause_is_said() {
    let mut still = cluster(|_| {});
    let services = kit::still::StillKind {
        group: String::new(),
        version: "v1".into(),
        plural: "services".into(),
        kind: "Service".into(),
        namespaced: true,
    };
    still.refuse(&services, "services is forbidden");
    let refused = verify(&still.client(), "shop", ISSUE).await.unwrap();
    let said = refused.end().unwrap_err().to_string();
    assert!(said.contains("Service shop/mixer") && said.contains("forbidden") && said.contains("grant get"), "{said}");

    let without = |object: &mut Value| {
        if matches!(object["kind"].as_str(), Some("Issue" | "AIInsight")) {
            object["status"]["rootCause"] = Value::Null;
        }
    };
    let said = verify(&cluster(without).client(), "shop", ISSUE).await.unwrap_err().to_string();
    assert!(said.contains("has no cause yet") && said.contains("remedy"), "{said}");
    let said = verify(&cluster(|_| {}).client(), "shop", "other").await.unwrap_err().to_string();
    assert!(said.contains("does not exist") && said.contains("kubectl get issues"), "{said}");
}
