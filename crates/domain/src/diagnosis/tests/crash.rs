use super::*;

fn bad_env() -> Evidence {
    let now = env(&[("DB_URL", "postgres:/db"), ("MODE", "fast")]);
    let before = env(&[("DB_URL", "postgres://db/shop"), ("MODE", "fast")]);
    evidence(revisions(now.clone(), before, [pod("old", "r1"), crashing("new").spec(now)]), 5)
}

#[test]
fn a_bad_variable_is_named_with_its_change_and_the_log() {
    let e = told(bad_env(), &["starting", "panic: DB_URL: invalid URL \"postgres:/db\"", "bye"]);
    let found = at_second(&e, 5);
    let cause = &found.cause;
    assert_eq!((cause.class, cause.object.kind.as_str()), (CauseClass::BadConfiguration, "Deployment"));
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].env[DB_URL].value"));
    assert_eq!(cause.value.as_deref(), Some("postgres:/db"));
    assert_eq!(
        cause.statement,
        "Container web of Deployment web crashes (exit code 1, 1 restart) since revision 2, in which env DB_URL changed from \"postgres://db/shop\" to \"postgres:/db\"; it says \"panic: DB_URL: invalid URL 'postgres:/db'\""
    );
    assert!(cause.confidence > 0.9);
    assert!(cause.proof.iter().any(|p| p.rule == "the last run says why it ends"));
    assert!(cause.proof.iter().any(|p| p.object.name == "web-r1" && p.value.as_deref() == Some("postgres://db/shop")));
    assert_eq!(found.log_analysis.as_deref(), Some("starting\npanic: DB_URL: invalid URL \"postgres:/db\"\nbye"));
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
    // Without a log the change alone speaks.
    let found = at_second(&bad_env(), 5);
    assert_eq!(found.cause.value.as_deref(), Some("postgres:/db"));
    assert!(found.cause.statement.ends_with("; its log says nothing"), "{}", found.cause.statement);
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn a_variable_that_went_away_and_one_of_several_changes() {
    let before = env(&[("DB_URL", "a"), ("MODE", "fast")]);
    let now = with(env(&[("MODE", "slow")]), "/image", json!("registry.example/web:3"));
    let e = evidence(revisions(now.clone(), before, [pod("old", "r1"), crashing("new").spec(now)]), 5);
    let found = at_second(&told(e, &["fatal: environment variable DB_URL is not set"]), 5);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.containers[0].env[DB_URL]"));
    assert_eq!(found.cause.value, None);
    assert!(found.cause.statement.contains("env DB_URL was removed (it was \"a\")"), "{}", found.cause.statement);
    assert_eq!(found.cause.ruled_out.len(), 2, "the image and MODE: {:?}", found.cause.ruled_out);
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn a_crash_loop_that_is_old_is_still_traced_to_its_revision() {
    // Two hours of crashes: the kubelet waits five minutes between two runs, so that there are about 28.
    let now = env(&[("DB_URL", "bad")]);
    let p = crashing("new").spec(now.clone()).made(-7200).restarts(28);
    let e = evidence(revisions(now.clone(), env(&[("DB_URL", "good")]), [pod("old", "r1"), p]), 5);
    proposes(&at_second(&e, 5), "RollbackDeployment", &[("toRevision", "1")]);
    // Two hours of service and two crashes: the revision did not bring it.
    let p = crashing("new").spec(now.clone()).made(-7200).restarts(2);
    let e = evidence(revisions(now, env(&[("DB_URL", "good")]), [p]), 5);
    let found = at_second(&e, 5);
    assert_eq!(found.actions, []);
    assert!(found.cause.ruled_out.iter().any(|r| r.because == "its pods ran well before"));
}

#[test]
fn a_bad_value_in_a_config_map_goes_back_to_what_it_was() {
    let same = env(&[]);
    // `kubectl rollout restart`: a new revision whose spec is the same.
    let mut e = evidence(revisions(same.clone(), same, [pod("old", "r1"), crashing("new")]), 5);
    e.config_maps =
        vec![settings(Some(&[("db-url", "postgres://db"), ("mode", "a")]), &[("db-url", "nonsense"), ("mode", "a")])];
    let found = at_second(&told(e.clone(), &["fatal: DB_URL: cannot parse nonsense"]), 5);
    let cause = &found.cause;
    assert_eq!((cause.object.kind.as_str(), cause.object.name.as_str()), ("ConfigMap", "settings"));
    assert_eq!((cause.class, cause.path.as_deref()), (CauseClass::BadConfiguration, Some("data[db-url]")));
    assert_eq!(cause.value.as_deref(), Some("nonsense"));
    assert!(
        cause
            .statement
            .contains("after key db-url of ConfigMap settings changed from \"postgres://db\" to \"nonsense\""),
        "{}",
        cause.statement
    );
    assert!(cause.proof.iter().any(|p| p.resource_version.as_deref() == Some("55")));
    proposes(&found, "PatchConfig", &[("configmap", "settings"), ("key", "db-url"), ("value", "postgres://db")]);
    assert!(found.recommendations[0].contains("kubectl-edit"));
    let mut again = told(e.clone(), &["fatal"]);
    again.failed = found.actions;
    assert_eq!(at_second(&again, 5).actions, []);
    // The log names a key that is not known to have changed: a cause, and nothing to go back to.
    e.config_maps = vec![settings(None, &[("db-url", "nonsense")])];
    let found = at_second(&told(e.clone(), &["fatal: DB_URL: cannot parse nonsense"]), 5);
    assert_eq!((found.cause.object.kind.as_str(), found.actions.len()), ("ConfigMap", 0));
    // A key that was added has no old value.
    e.config_maps = vec![settings(Some(&[]), &[("db-url", "nonsense")])];
    assert_eq!(at_second(&told(e, &["fatal: DB_URL: cannot parse nonsense"]), 5).actions, []);
}

#[test]
fn the_log_decides_between_a_revision_and_a_config_map() {
    let mut e = bad_env();
    e.config_maps = vec![settings(Some(&[("cache-size", "10")]), &[("cache-size", "ten")])];
    let found = at_second(&told(e.clone(), &["error: CACHE_SIZE must be a number, not ten"]), 5);
    assert_eq!(found.cause.object.kind, "ConfigMap");
    let found = at_second(&told(e, &["error: DB_URL is invalid"]), 5);
    assert_eq!(found.cause.object.kind, "Deployment");
}

#[test]
fn a_crash_that_nothing_explains_is_said_as_such() {
    let same = container();
    let mut e = evidence(revisions(same.clone(), same, [crashing("p").made(-9000)]), 5);
    let found = at_second(&told(e.clone(), &["segmentation fault"]), 5);
    assert_eq!((found.cause.class, found.actions.len()), (CauseClass::ApplicationCrash, 0));
    assert!(found.cause.confidence < 0.7);
    assert_eq!(found.cause.ruled_out.len(), 2);
    e.view.revisions.clear();
    let found = at_second(&e, 5);
    assert!(found.cause.ruled_out.iter().any(|r| r.because.contains("no earlier revision")));
    // A command that cannot be executed.
    let now = with(container(), "/command", json!(["/bin/nope"]));
    let p = pod("new", "r2").spec(now.clone()).ended(1, 1, 128, "StartError").set(
        "/status/containerStatuses/0/state/terminated/message",
        json!("exec: \"/bin/nope\": no such file or directory"),
    );
    let found = at_second(&evidence(revisions(now, container(), [pod("old", "r1"), p]), 5), 5);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.containers[0].command[0]"));
    assert!(found.cause.statement.contains("cannot be started"), "{}", found.cause.statement);
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn the_log_of_the_pod_that_shows_it_comes_first() {
    let mut e = told(bad_env(), &["error: of this pod"]);
    e.logs.insert(0, LogTail { pod: "other".into(), container: "web".into(), lines: vec!["error: of another".into()] });
    assert_eq!(at_second(&e, 5).log_analysis.as_deref(), Some("error: of this pod"));
    e.logs.pop();
    assert_eq!(at_second(&e, 5).log_analysis.as_deref(), Some("error: of another"));
}

#[test]
fn a_config_map_of_last_week_is_less_likely_than_the_revision_of_now() {
    let now = with(container(), "/image", json!("registry.example/web:3"));
    let mut e = evidence(revisions(now.clone(), container(), [pod("old", "r1"), crashing("new").spec(now)]), 5);
    let map = settings(Some(&[("mode", "a")]), &[("mode", "b")]);
    e.config_maps = vec![map.clone()];
    assert_eq!(at_second(&e, 5).cause.object.kind, "ConfigMap", "it changed just before");
    e.config_maps = vec![ConfigHistory { changed: Some(at(-600_000)), ..map }];
    assert_eq!(at_second(&e, 5).cause.object.kind, "Deployment");
}

#[test]
fn a_volume_that_is_full_is_its_limit_and_not_its_mount() {
    let now = with(container(), "/volumeMounts", json!([{"name": "work", "mountPath": "/scratch"}]));
    let mut e = evidence(revisions(now.clone(), container(), [pod("old", "r1"), crashing("new").spec(now.clone())]), 5);
    let volumes = json!([{"name": "work", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]);
    let spec = json!({"spec": {"volumes": volumes, "containers": [now]}});
    e.view.revisions[0].template = std::sync::Arc::new(serde_json::from_value(spec).unwrap());
    let found = at_second(&told(e, &["dd: error writing '/scratch/all': No space left on device"]), 5);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.volumes[0].emptyDir.sizeLimit"));
    assert!(
        found.cause.statement.contains("no space left of its sizeLimit of 1Mi; revision 2 brought it"),
        "{}",
        found.cause.statement
    );
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn passwords_in_addresses_are_not_repeated() {
    let url = |host: &str| env(&[("DB_URL", &format!("postgres://app:hunter2@{host}:5432/shop"))]);
    let e = evidence(revisions(url("dbb"), url("db"), [pod("old", "r1"), crashing("new").spec(url("dbb"))]), 5);
    for line in ["panic: lookup dbb: no such host", "bye"] {
        let found = at_second(&told(e.clone(), &[line]), 5);
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        assert!(found.cause.statement.contains("DB_URL"), "{}", found.cause.statement);
    }
}
