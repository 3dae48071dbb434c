//! Programs that a volume is mounted over, and what only looks like it.

use std::sync::Arc;

use super::start::RUNC;
use super::*;

#[test]
fn a_program_that_a_volume_hides() {
    let hidden = with(
        with(container(), "/command", json!(["/app/server"])),
        "/volumeMounts",
        json!([{"name": "cache", "mountPath": "/app"}]),
    );
    let message = format!("{RUNC}exec: \"/app/server\": stat /app/server: no such file or directory: unknown");
    let p = |volume: Value| {
        pod("p", "r2")
            .spec(hidden.clone())
            .set("/spec/volumes", json!([volume]))
            .ended(1, 1, 128, "StartError")
            .set("/status/containerStatuses/0/state/terminated/message", json!(message))
    };
    let of = |volume: Value| {
        let v = WorkloadView { revisions: vec![], ..view([p(volume)]) };
        at_second(&evidence(v, 5), 5).cause
    };
    let cause = of(json!({"name": "cache", "emptyDir": {}}));
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].volumeMounts[0].mountPath"));
    assert!(
        cause.statement.contains("volume cache is mounted at /app and hides what the image has there"),
        "{}",
        cause.statement
    );
    // A ConfigMap may bring the program itself; then it is the name that is wrong.
    let cause = of(json!({"name": "cache", "configMap": {"name": "scripts"}}));
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].command[0]"));
}

const NOT_FOUND: &str = "executable file not found in $PATH: unknown";

fn shell(command: Value, mounts: Value) -> Value {
    with(with(container(), "/command", command), "/volumeMounts", mounts)
}

/// A start that failed because a program was not found; before that the container was as it says, if it was.
fn missing(name: &str, now: &Value, before: Option<Value>, volume: Value) -> api::shared::RootCause {
    let message = format!("{RUNC}exec: \"{name}\": {NOT_FOUND}");
    let p = pod("p", "r2")
        .spec(now.clone())
        .set("/spec/volumes", json!([volume.clone()]))
        .ended(1, 1, 128, "StartError")
        .set("/status/containerStatuses/0/state/terminated/message", json!(message));
    let v = match before {
        Some(before) => {
            let mut v = revisions(now.clone(), before, [p]);
            let template = Arc::make_mut(&mut v.revisions[0].template);
            template.spec.as_mut().unwrap().volumes = Some(vec![serde_json::from_value(volume).unwrap()]);
            v
        }
        None => WorkloadView { revisions: vec![], ..view([p]) },
    };
    at_second(&evidence(v, 5), 5).cause
}

fn scratch() -> Value {
    json!({"name": "bin", "emptyDir": {}})
}

const MOUNT: &str = "spec.template.spec.containers[0].volumeMounts[0].mountPath";
const COMMAND: &str = "spec.template.spec.containers[0].command[0]";

#[test]
fn a_volume_over_the_folders_of_the_path() {
    let command = || json!(["sh", "-c", "sleep 5"]);
    for folder in ["/bin", "/usr/bin/", "/usr", "/sbin"] {
        let now = shell(command(), json!([{"name": "bin", "mountPath": folder}]));
        for before in [None, Some(shell(command(), json!([])))] {
            let cause = missing("sh", &now, before, scratch());
            assert_eq!(cause.path.as_deref(), Some(MOUNT), "{folder}");
            let said = format!("it starts sh, which is not found: volume bin is mounted at {folder} and hides");
            assert!(cause.statement.contains(&said), "{}", cause.statement);
        }
    }
    // A program of the system is not brought by a key of a ConfigMap.
    let now = shell(command(), json!([{"name": "bin", "mountPath": "/bin"}]));
    let cause = missing("sh", &now, None, json!({"name": "bin", "configMap": {"name": "scripts"}}));
    assert_eq!(cause.path.as_deref(), Some(MOUNT));
    let now = shell(json!(["python", "-m", "app"]), json!([{"name": "bin", "mountPath": "/usr/local/bin"}]));
    assert_eq!(missing("python", &now, None, scratch()).path.as_deref(), Some(MOUNT));
    // A path of its own.
    let now = with(now, "/env", json!([{"name": "PATH", "value": "/opt/tool/bin:/bin"}]));
    assert_eq!(missing("python", &now, None, scratch()).path.as_deref(), Some(COMMAND));
    let now = with(now, "/volumeMounts/0/mountPath", json!("/opt/tool"));
    assert_eq!(missing("python", &now, None, scratch()).path.as_deref(), Some(MOUNT));
}

#[test]
fn volumes_that_hide_no_program() {
    let mount = |path: &str| json!([{"name": "bin", "mountPath": path}]);
    let of = |name: &str, path: &str, before: Option<Value>, volume: Value| {
        let cause = missing(name, &shell(json!([name, "-v"]), mount(path)), before, volume);
        assert_eq!(cause.path.as_deref(), Some(COMMAND), "{}", cause.statement);
    };
    // Elsewhere, or in a folder that only begins like one of the path.
    of("sh", "/srv", None, scratch());
    of("sh", "/bin-of-mine", None, scratch());
    // The shell does not stand where images add their own.
    of("sh", "/usr/local/bin", None, scratch());
    // A slip of the hand is none of the volume.
    of("mkdri", "/usr/local/bin", None, scratch());
    of("mkdri", "/usr/local/bin", Some(shell(json!(["mkdir", "-v"]), json!([]))), scratch());
    // The revision before had the volume too, and serves.
    of("python", "/usr/local/bin", Some(shell(json!(["node"]), mount("/usr/local/bin"))), scratch());
    // Programs that are brought.
    of("tool", "/usr/local/bin", None, json!({"name": "bin", "configMap": {"name": "scripts"}}));
    of("tool", "/usr/local/bin", None, json!({"name": "bin", "image": {"reference": "registry.example/tools:1"}}));
}
