//! Containers that cannot be started: the field that the runtime's message is about.

use super::*;

fn refused(container: Value, message: &str) -> Evidence {
    let p = pod("p", "r2")
        .spec(container.clone())
        .ended(1, 1, 128, "StartError")
        .set("/status/containerStatuses/0/state/terminated/message", json!(message));
    evidence(revisions(container.clone(), container, [p]), 5)
}

pub(super) const RUNC: &str = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ";

#[test]
fn commands() {
    let of = |command: Value, message: &str| {
        at_second(&refused(with(container(), "/command", command), &format!("{RUNC}{message}")), 5).cause
    };
    let cause = of(json!(["mkdri", "-p", "/x"]), "exec: \"mkdri\": executable file not found in $PATH: unknown");
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].command[0]"));
    assert_eq!(cause.value.as_deref(), Some("mkdri"));
    assert_eq!(
        cause.statement,
        "Container web of Deployment web cannot be started: its command names mkdri, an executable that does not exist in its image; did you mean mkdir?"
    );
    assert_eq!(cause.class, CauseClass::BadConfiguration);
    let cause = of(json!(["/app/run.sh"]), "exec: \"/app/run.sh\": permission denied: unknown");
    assert!(
        cause.statement.ends_with("its command names /app/run.sh, which may not be executed"),
        "{}",
        cause.statement
    );
    let cause =
        of(json!(["/app/run.sh"]), "exec: \"/app/run.sh\": stat /app/run.sh: no such file or directory: unknown");
    assert!(cause.statement.contains("/app/run.sh, an executable that does not exist"), "{}", cause.statement);
    let cause = of(json!(["/app/run"]), "exec /app/run: exec format error");
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].image"));
    let cause = at_second(
        &refused(
            with(container(), "/args", json!(["serv"])),
            &format!("{RUNC}exec: \"serv\": executable file not found in $PATH"),
        ),
        5,
    )
    .cause;
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].args[0]"));
}

#[test]
fn an_init_container_of_a_bare_pod() {
    let broken = json!({"name": "unpack", "image": "busybox", "command": ["mkdri", "-p", "/x"]});
    let status = json!([{"name": "unpack", "image": "busybox", "imageID": "", "ready": false, "restartCount": 1, "state": {"terminated": {"exitCode": 128, "reason": "StartError", "message": format!("{RUNC}exec: \"mkdri\": executable file not found in $PATH: unknown"), "startedAt": at(2).to_string(), "finishedAt": at(2).to_string()}}}]);
    let p = pod("tiles", "")
        .phase("Pending")
        .set("/spec/initContainers", json!([broken]))
        .set("/status/initContainerStatuses", status)
        .waiting("PodInitializing", "");
    let mut v = WorkloadView { revisions: vec![], current: None, desired: 1, ..view([p]) };
    v.workload = ObjectRef { kind: "Pod".into(), name: "tiles".into(), ..v.workload };
    let found = at_second(&evidence(v, 5), 5);
    assert_eq!((found.cause.object.kind.as_str(), found.cause.object.name.as_str()), ("Pod", "tiles"));
    assert_eq!(found.cause.path.as_deref(), Some("spec.initContainers[0].command[0]"));
    assert!(
        found
            .cause
            .statement
            .starts_with("Init container unpack of Pod tiles cannot be started: its command names mkdri"),
        "{}",
        found.cause.statement
    );
}

#[test]
fn security_folders_and_mounts() {
    let of = |container: Value, message: &str| at_second(&refused(container, message), 5).cause;
    let cause = of(
        with(container(), "/securityContext", json!({"runAsNonRoot": true})),
        "container has runAsNonRoot and image will run as root",
    );
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].securityContext.runAsNonRoot"));
    let cause = of(
        container(),
        "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root",
    );
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.securityContext.runAsNonRoot"));
    let cause = of(
        with(container(), "/workingDir", json!("/srv/ap")),
        &format!("{RUNC}chdir to cwd (\"/srv/ap\") set in config.json failed: no such file or directory: unknown"),
    );
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].workingDir"));
    assert!(cause.statement.contains("workingDir /srv/ap does not exist in the image"), "{}", cause.statement);
    let sub = with(
        container(),
        "/volumeMounts",
        json!([{"name": "conf", "mountPath": "/etc/app.conf", "subPath": "app.conf"}]),
    );
    let cause = of(sub, "failed to prepare subPath for volumeMount \"conf\" of container \"web\"");
    assert_eq!(cause.path.as_deref(), Some("spec.template.spec.containers[0].volumeMounts[0].subPath"));
    // What nobody has seen before is told as it is.
    let cause = of(container(), "the moon is in the wrong phase");
    assert!(cause.statement.contains("the moon is in the wrong phase"), "{}", cause.statement);
}

#[test]
fn a_hook_after_the_start() {
    let hooked =
        with(container(), "/lifecycle", json!({"postStart": {"exec": {"command": ["sh", "-c", "test -f /token"]}}}));
    let p = pod("p", "r2").spec(hooked.clone()).ended(3, 4, 137, "Error").last(1, 2, 137, "Error").restarts(1).event(
        "FailedPostStartHook",
        "PostStartHook failed",
        2,
        2,
        4,
    );
    let found = at_second(&evidence(revisions(hooked.clone(), hooked, [p]), 5), 5);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.containers[0].lifecycle.postStart"));
    assert!(
        found.cause.statement.ends_with("its postStart hook \"sh -c test -f /token\" fails"),
        "{}",
        found.cause.statement
    );
}

#[test]
fn an_init_container_that_waits() {
    let waiting =
        json!({"name": "wait", "image": "busybox", "env": [{"name": "CACHE_HOST", "value": "palette-cache"}]});
    let status = json!([{"name": "wait", "image": "busybox", "imageID": "", "ready": false, "restartCount": 0, "state": {"running": {"startedAt": at(1).to_string()}}}]);
    let p = pod("p", "")
        .phase("Pending")
        .not_ready_since(0)
        .set("/spec/initContainers", json!([waiting]))
        .set("/status/initContainerStatuses", status)
        .waiting("PodInitializing", "");
    let v = WorkloadView { revisions: vec![], current: None, desired: 1, ..view([p]) };
    let mut e = evidence(v, 70);
    e.logs =
        vec![LogTail { pod: "p".into(), container: "wait".into(), lines: vec!["waiting for palette-cache".into(); 9] }];
    let found = at_second(&e, 70);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.initContainers[0].env[CACHE_HOST].value"));
    assert_eq!(
        found.cause.statement,
        "Init container wait of Deployment web does not end (\"waiting for palette-cache\"): its last words are about \"palette-cache\", which env CACHE_HOST gives it"
    );
}

#[test]
fn a_secret_for_pulling_that_is_not_there() {
    let text = "Failed to pull image \"registry.example/web:2\": unexpected status from HEAD request: 401 Unauthorized";
    let p = pod("p", "r2").waiting("ErrImagePull", "failed").event("Failed", text, 1, 2, 2).event(
        "FailedToRetrieveImagePullSecret",
        "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
        3,
        1,
        2,
    );
    let mut e = evidence(revisions(container(), container(), [p]), 40);
    e.names = BTreeMap::from([("Secret".to_owned(), vec!["reg-cred".to_owned()])]);
    let found = at_second(&e, 40);
    assert_eq!(
        (found.cause.class, found.cause.path.as_deref()),
        (CauseClass::ImageUnauthorized, Some("spec.template.spec.imagePullSecrets"))
    );
    assert!(
        found
            .cause
            .statement
            .ends_with("imagePullSecrets refers to Secret regcred, which does not exist; did you mean reg-cred?"),
        "{}",
        found.cause.statement
    );
}

#[test]
fn a_secret_for_pulling_that_the_account_has() {
    let text = "Failed to pull image \"registry.example/web:2\": unexpected status from HEAD request: 401 Unauthorized";
    let lost = "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.";
    let p = pod("p", "r2")
        .waiting("ErrImagePull", "failed")
        .set("/spec/imagePullSecrets", json!([{"name": "regcred"}]))
        .event("Failed", text, 1, 2, 2)
        .event("FailedToRetrieveImagePullSecret", lost, 3, 1, 2);
    let found = at_second(&evidence(revisions(container(), container(), [p]), 40), 40);
    assert_eq!((found.cause.object.kind.as_str(), found.cause.object.name.as_str()), ("ServiceAccount", "default"));
    assert_eq!(found.cause.path.as_deref(), Some("imagePullSecrets"));
}

#[test]
fn a_sysctl_that_the_node_does_not_allow() {
    let p = pod("p", "r2")
        .phase("Failed")
        .set("/status/reason", json!("SysctlForbidden"))
        .set("/status/message", json!("Pod was rejected: forbidden sysctl: \"net.core.somaxconn\" not allowlisted"));
    let found = at_second(&evidence(revisions(container(), container(), [p]), 5), 5);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.securityContext.sysctls"));
    assert_eq!(found.cause.value.as_deref(), Some("net.core.somaxconn"));
    assert!(found.cause.statement.contains("does not allow sysctl net.core.somaxconn"), "{}", found.cause.statement);
}
