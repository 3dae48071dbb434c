use std::path::PathBuf;

use detector::{Detector, Scope, Settings};
use domain::bundle::{Bundle, kinds};
use kit::clock::SystemClock;
use kit::controller::Env;
use kit::metrics::Metrics;
use kit::supervisor::Supervisor;
use serde_json::{Value, json};
use testkit::fake_api::FakeApi;

use super::play::{Played, play};
use super::*;

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/bundles")
}

pub fn bundle(name: &str) -> Bundle {
    read(&folder().join(name)).unwrap()
}

async fn played(bundle: Bundle) -> Played {
    play(bundle, Duration::from_mins(2)).await.unwrap()
}

fn edit(bundle: &mut Bundle, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
    let is = |object: &&mut Value| object["kind"] == kind && object["metadata"]["name"] == name;
    change(bundle.objects.iter_mut().find(is).unwrap());
}

#[tokio::test]
async fn every_bundle_of_the_project_is_explained_as_it_was() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let played = played(read(&path).unwrap()).await;
            assert!(played.as_before(), "{}:\n{}", path.display(), played.text());
            assert_eq!((played.alerts.len(), &played.pending), (1, &None), "{}:\n{}", path.display(), played.text());
            count += 1;
        }
    }
    assert!(count >= 2, "{count} bundles");
}

#[tokio::test]
async fn it_prints_the_alert_the_cause_and_its_proof_for_people_and_machines() {
    let played = played(bundle("memory-limit.json")).await;
    let text = played.text();
    for part in
        ["critical oom_kill, Deployment shop/mixer", "limits.memory = 24Mi", "The cause is the same", "noticed after"]
    {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let json: Value = serde_json::from_str(&played.json().unwrap()).unwrap();
    assert_eq!(json["asBefore"], true);
    assert_eq!(json["now"]["object"]["name"], "mixer");
    assert_eq!(json["alerts"][0]["signal"], "oom_kill");
}

#[tokio::test]
async fn another_cause_and_a_fault_that_is_not_there_are_told_apart_from_the_same() {
    // The Issue said another field.
    let mut other = bundle("memory-limit.json");
    for (kind, name) in [("Issue", "mixer-oom-kill-1"), ("AIInsight", "mixer-oom-kill-1-insight")] {
        edit(&mut other, kind, name, |object| object["status"]["rootCause"]["path"] = json!("spec.replicas"));
    }
    let other = played(other).await;
    assert!(!other.as_before() && other.text().contains("the field is another one"), "{}", other.text());

    // The key is there, and nobody fails.
    let mut healthy = bundle("config-key.json");
    edit(&mut healthy, "ConfigMap", "maps-settings", |map| map["data"]["AREA_UNITS"] = json!("hectare"));
    healthy.objects.retain(|object| object["kind"] != "Event");
    edit(&mut healthy, "Pod", "maps-645669bfd7-bbbbb", |pod| {
        pod["status"]["phase"] = json!("Running");
        pod["status"]["conditions"].as_array_mut().unwrap().iter_mut().for_each(|c| c["status"] = json!("True"));
        pod["status"]["containerStatuses"][0]["ready"] = json!(true);
        pod["status"]["containerStatuses"][0]["state"] = json!({"running": {"startedAt": "2026-03-01T10:03:02Z"}});
    });
    let healthy = played(healthy).await;
    assert!(!healthy.as_before() && healthy.alerts.is_empty(), "{}", healthy.text());
    assert!(healthy.text().contains("No alert about it is raised"), "{}", healthy.text());

    let mut without = bundle("memory-limit.json");
    without.objects.retain(|object| object["kind"] != "AIInsight");
    edit(&mut without, "Issue", "mixer-oom-kill-1", |issue| issue["status"]["rootCause"] = Value::Null);
    let without = played(without).await;
    assert!(!without.as_before() && without.text().contains("no cause of the time"), "{}", without.text());
}

#[tokio::test]
async fn what_the_bundle_lacks_is_not_taken_for_absent() {
    let mut partial = bundle("config-key.json");
    partial.objects.retain(|object| object["kind"] != "Secret" && object["kind"] != "Service");
    partial.missing.insert("Secret".into(), "forbidden".into());
    partial.missing.insert("Service".into(), "no room".into());
    let partial = played(partial).await;
    assert!(partial.as_before(), "{}", partial.text());
    assert!(partial.text().contains("not in it: Secret: forbidden"), "{}", partial.text());
}

#[tokio::test]
async fn text_that_commands_a_terminal_does_not_reach_it() {
    let mut hostile = bundle("memory-limit.json");
    hostile.by = "\u{1b}]0;owned\u{7}".into();
    hostile.left_out.push("\u{1b}[2J".into());
    edit(&mut hostile, "Issue", "mixer-oom-kill-1", |issue| issue["spec"]["description"] = json!("\u{1b}[31m"));
    let text = played(hostile).await.text();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
}

#[test]
fn a_file_that_is_no_bundle_is_refused_with_its_name() {
    let path = std::env::temp_dir().join(format!("chatcli-replay-{}.json", std::process::id()));
    std::fs::write(&path, "{\"kind\":\"PodList\",\"items\":[]}").unwrap();
    let said = format!("{:#}", read(&path).unwrap_err());
    std::fs::remove_file(&path).unwrap();
    assert!(said.contains("chatcli-replay-") && said.contains("format") && said.contains("remedy"), "{said}");
    let said = format!("{:#}", read(Path::new("/nowhere/x.json")).unwrap_err());
    assert!(said.contains("/nowhere/x.json") && said.contains("remedy"), "{said}");
}

/// A kind that the detector learns to look at must get into bundles too.
#[tokio::test]
async fn everything_that_the_detector_asks_for_is_in_a_bundle() {
    let api = FakeApi::new();
    let (supervisor, _watch) = Supervisor::new();
    let env =
        Env { supervisor: supervisor.clone(), metrics: Metrics::new("test"), clock: std::sync::Arc::new(SystemClock) };
    let detector = Detector::start(api.client(), Settings::new(Scope::All), &env);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while detector.first_look_pending().is_some() {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", detector.first_look_pending());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    supervisor.token().cancel();
    for seen in api.requests() {
        let parts: Vec<&str> = seen.path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, plural) = match parts.as_slice() {
            ["api", "v1", plural] => ("", *plural),
            ["apis", group, _, plural] => (*group, *plural),
            other => panic!("{other:?}"),
        };
        // Definitions are made up from the list of optional kinds; measurements are no objects.
        let other = ["customresourcedefinitions", "pods"].contains(&plural) && !group.is_empty();
        let known = kinds().any(|kind| kind.group == group && kind.plural == plural);
        assert!(known || other, "{} is watched and not in a bundle", seen.path);
    }
}
