//! The last words of a process lead to a field of its spec: object, path, sentence; and twins that lead nowhere.

use super::*;

/// A Deployment whose container crashes with these lines, and has not changed.
fn crash(container: Value, lines: &[&str]) -> Evidence {
    let p = crashing("p").spec(container.clone()).made(-90_000);
    told(evidence(revisions(container.clone(), container, [p]), 5), lines)
}

/// What a log leads to in the last part of its path, with the sentence.
fn leads(e: &Evidence, object: &str, path: &str, words: &str) {
    let found = at_second(e, 5);
    let cause = &found.cause;
    assert_eq!((cause.object.kind.as_str(), cause.path.as_deref()), (object, Some(path)), "{}", cause.statement);
    assert!(cause.statement.contains(words), "{words:?} in {:?}", cause.statement);
    assert!(cause.statement.chars().count() < 300, "{}: {}", cause.statement.chars().count(), cause.statement);
    assert!(cause.confidence >= 0.5, "{}", cause.confidence);
    assert!(cause.proof.iter().any(|p| p.rule == "the last run says why it ends"), "{:?}", cause.proof);
    assert_eq!(found.actions, [], "nothing changed, so there is nothing to go back to");
}

const C: &str = "spec.template.spec.containers[0]";

#[test]
fn variables() {
    let near = env(&[("HARBOR_ID", "7"), ("LOG_FORMAT", "plain")]);
    let line = "berth-planner: HARBOUR_ID is not defined, stopping";
    leads(
        &crash(near, &[line]),
        "Deployment",
        &format!("{C}.env[HARBOUR_ID]"),
        "env HARBOUR_ID is not set; env HARBOR_ID is, did you mean HARBOUR_ID?",
    );
    leads(&crash(container(), &[line]), "Deployment", &format!("{C}.env[HARBOUR_ID]"), ": env HARBOUR_ID is not set");
    leads(
        &crash(env(&[("HARBOUR_ID", "")]), &[line]),
        "Deployment",
        &format!("{C}.env[HARBOUR_ID].value"),
        "env HARBOUR_ID is empty",
    );
    let optional = with(
        container(),
        "/env",
        json!([{"name": "HARBOUR_ID", "valueFrom": {"secretKeyRef": {"name": "ids", "key": "harbour", "optional": true}}}]),
    );
    leads(
        &crash(optional, &[line]),
        "Deployment",
        &format!("{C}.env[HARBOUR_ID].valueFrom.secretKeyRef"),
        "it comes from optional key harbour of Secret ids",
    );
    let whole = with(container(), "/envFrom", json!([{"configMapRef": {"name": "settings"}}]));
    let mut e = crash(whole, &[line]);
    e.config_maps = vec![settings(None, &[("HARBOR_ID", "7")])];
    leads(&e, "ConfigMap", "data[HARBOR_ID]", "ConfigMap settings has key HARBOR_ID, did you mean HARBOUR_ID?");
    let spring = "Could not resolve placeholder 'db.url' in value \"${db.url}\"";
    leads(
        &crash(env(&[("DB_URI", "x")]), &[spring]),
        "Deployment",
        &format!("{C}.env[DB_URL]"),
        "setting db.url is not given (env DB_URL); env DB_URI is set",
    );
}

#[test]
fn connections() {
    let host = env(&[("MODE", "x"), ("DB_HOST", "library-db-prod")]);
    leads(
        &crash(host.clone(), &["cannot open database: lookup library-db-prod: no such host"]),
        "Deployment",
        &format!("{C}.env[DB_HOST].value"),
        "env DB_HOST names host library-db-prod, which cannot be resolved",
    );
    let mut e = crash(host, &["cannot open database: lookup library-db-prod: no such host"]);
    e.names = BTreeMap::from([("Service".to_owned(), vec!["library-db".to_owned(), "other".to_owned()])]);
    leads(&e, "Deployment", &format!("{C}.env[DB_HOST].value"), "did you mean library-db?");
    let url = env(&[("DB_URL", "postgres://app@db:5432/shop")]);
    leads(
        &crash(url.clone(), &["panic: dial tcp 10.96.0.4:5432: connect: connection refused"]),
        "Deployment",
        &format!("{C}.env[DB_URL].value"),
        "10.96.0.4:5432, which env DB_URL names, refuses connections",
    );
    leads(
        &crash(
            url,
            &["psycopg2.OperationalError: could not translate host name \"db\" to address: Name or service not known"],
        ),
        "Deployment",
        &format!("{C}.env[DB_URL].value"),
        "env DB_URL names host db",
    );
    let flags = with(container(), "/args", json!(["--upstream=http://orders:8080", "--v=2"]));
    leads(
        &crash(flags, &["error: connect to http://orders:8080: i/o timeout"]),
        "Deployment",
        &format!("{C}.args[0]"),
        "orders:8080, which args[0] names, does not answer",
    );
    let map = with(
        container(),
        "/env",
        json!([{"name": "BROKER", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "broker"}}}]),
    );
    let mut e = crash(map, &["FATAL java.net.UnknownHostException: kafka.events"]);
    e.config_maps = vec![settings(None, &[("broker", "kafka.events:9092")])];
    leads(
        &e,
        "ConfigMap",
        "data[broker]",
        "key broker of ConfigMap settings, which is env BROKER, names host kafka.events",
    );
    let secret = with(
        container(),
        "/env",
        json!([{"name": "DB_WORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "word"}}}]),
    );
    leads(
        &crash(secret, &["FATAL: password authentication failed for user \"app\""]),
        "Secret",
        "data[word]",
        "refuses the credentials in env DB_WORD, which come from key word of Secret db",
    );
    let https = env(&[("API", "https://orders:8080")]);
    leads(
        &crash(https, &["Get \"https://orders:8080/\": http: server gave HTTP response to HTTPS client"]),
        "Deployment",
        &format!("{C}.env[API].value"),
        "env API says https",
    );
    // A host that nothing names is told, and no field is blamed for it.
    let found = at_second(&crash(container(), &["error: dial tcp: lookup somewhere: no such host"]), 5);
    assert!(found.cause.statement.contains("host somewhere cannot be resolved"), "{}", found.cause.statement);
    assert!(found.cause.confidence < 0.6);
}

#[expect(clippy::needless_pass_by_value, reason = "tests read better without borrows")]
fn mounted(path: &str, volume: Value) -> Evidence {
    let mut with_mount = with(container(), "/volumeMounts", json!([{"name": "conf", "mountPath": path}]));
    with_mount["securityContext"] = json!({});
    let mut e = crash(with_mount.clone(), &["fatal: open /etc/app/app.yaml: no such file or directory"]);
    let spec = json!({"spec": {"volumes": [volume], "containers": [with_mount]}});
    let template: std::sync::Arc<k8s_openapi::api::core::v1::PodTemplateSpec> =
        std::sync::Arc::new(serde_json::from_value(spec).unwrap());
    for revision in &mut e.view.revisions {
        revision.template = template.clone();
    }
    e
}

#[test]
fn files() {
    let map = json!({"name": "conf", "configMap": {"name": "settings"}});
    let mut e = mounted("/etc/app", map.clone());
    e.config_maps = vec![settings(None, &[("app.yml", "a: 1")])];
    leads(
        &e,
        "ConfigMap",
        "data[app.yaml]",
        "it opens /etc/app/app.yaml, but ConfigMap settings has no key app.yaml; did you mean app.yml?",
    );
    leads(
        &mounted("/etc/apps", map),
        "Deployment",
        &format!("{C}.volumeMounts[0].mountPath"),
        "it opens /etc/app/app.yaml, but its volume is mounted at /etc/apps",
    );
    let items =
        json!({"name": "conf", "configMap": {"name": "settings", "items": [{"key": "app.yaml", "path": "main.yaml"}]}});
    leads(
        &mounted("/etc/app", items),
        "Deployment",
        "spec.template.spec.volumes[0].configMap.items",
        "volume conf takes only main.yaml from ConfigMap settings",
    );
    let secret = json!({"name": "conf", "secret": {"secretName": "keys"}});
    leads(&mounted("/etc/app", secret), "Secret", "data[app.yaml]", "Secret keys has no key app.yaml");
    leads(
        &mounted("/etc/app", json!({"name": "conf", "emptyDir": {}})),
        "Deployment",
        "spec.template.spec.volumes[0]",
        "which is not on volume conf",
    );
    let named = with(container(), "/args", json!(["--config", "/etc/app/app.yaml"]));
    leads(
        &crash(named, &["open /etc/app/app.yaml: no such file or directory"]),
        "Deployment",
        &format!("{C}.args[1]"),
        "args[1] names /etc/app/app.yaml, which does not exist",
    );
    // A mistake in a file that comes from a ConfigMap.
    let mut e = mounted("/etc/app", json!({"name": "conf", "configMap": {"name": "settings"}}));
    e = told(e, &["error parsing /etc/app/app.yaml: yaml: line 12: did not find expected key"]);
    e.config_maps = vec![settings(None, &[("app.yaml", "a: [")])];
    leads(
        &e,
        "ConfigMap",
        "data[app.yaml]",
        "key app.yaml of ConfigMap settings, its file /etc/app/app.yaml, has a mistake in line 12",
    );
}

#[test]
fn rights_and_room() {
    let read_only = with(container(), "/securityContext", json!({"readOnlyRootFilesystem": true}));
    leads(
        &crash(read_only, &["OSError: [Errno 30] Read-only file system: '/var/cache/x'"]),
        "Deployment",
        &format!("{C}.securityContext.readOnlyRootFilesystem"),
        "it writes /var/cache/x, but its root file system is read-only",
    );
    let user = with(container(), "/securityContext", json!({"runAsUser": 1000}));
    leads(
        &crash(user.clone(), &["open /var/lib/app/lock: permission denied"]),
        "Deployment",
        &format!("{C}.securityContext.runAsUser"),
        "user 1000, as which it runs, may not use /var/lib/app/lock",
    );
    leads(
        &crash(user, &["listen tcp :80: bind: permission denied"]),
        "Deployment",
        &format!("{C}.securityContext.runAsUser"),
        "user 1000 may not bind port 80",
    );
    let drop = with(container(), "/securityContext", json!({"capabilities": {"drop": ["ALL"]}}));
    leads(
        &crash(drop, &["nginx: bind to 0.0.0.0:80 failed (13: Permission denied)"]),
        "Deployment",
        &format!("{C}.securityContext.capabilities.drop"),
        "it may not bind port 80",
    );
    let account = |name: &str| {
        format!(
            "pods is forbidden: User \"system:serviceaccount:shop:{name}\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\""
        )
    };
    leads(
        &crash(container(), &[&account("reporter")]),
        "ServiceAccount",
        "rules",
        "ServiceAccount reporter may not list pods in namespace shop",
    );
    leads(
        &crash(container(), &[&account("default")]),
        "Deployment",
        "spec.template.spec.serviceAccountName",
        "it runs as ServiceAccount default, which may not list pods",
    );
    let java = env(&[("JAVA_OPTS", "-Xms16m -Xmx32m")]);
    leads(
        &crash(java, &["java.lang.OutOfMemoryError: Java heap space"]),
        "Deployment",
        &format!("{C}.env[JAVA_OPTS].value"),
        "env JAVA_OPTS limits it with -Xmx32m",
    );
    leads(
        &crash(container(), &["exec /app/server: exec format error"]),
        "Deployment",
        &format!("{C}.image"),
        "has a program for another processor",
    );
    let small = with(container(), "/env", json!([{"name": "WORKERS", "value": "ten"}]));
    leads(
        &crash(small, &["panic: strconv.Atoi: parsing \"ten\": invalid syntax"]),
        "Deployment",
        &format!("{C}.env[WORKERS].value"),
        "env WORKERS is \"ten\", which it cannot use",
    );
    let flag = with(container(), "/args", json!(["--verbose", "--prot=80"]));
    leads(
        &crash(flag, &["unknown flag: --prot"]),
        "Deployment",
        &format!("{C}.args[1]"),
        "args[1] has --prot, which the program does not know",
    );
    let shell = with(container(), "/command", json!(["sh", "-c", "frobnicate --all"]));
    leads(
        &crash(shell, &["sh: frobnicate: not found"]),
        "Deployment",
        &format!("{C}.command[2]"),
        "its script calls frobnicate, an executable that does not exist in its image",
    );
}

#[test]
fn the_token_of_the_account_and_volumes_with_an_end() {
    let line = "open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory";
    let with_spec = |mut e: Evidence, spec: Value| {
        for revision in &mut e.view.revisions {
            revision.template = std::sync::Arc::new(serde_json::from_value(json!({ "spec": spec })).unwrap());
        }
        e
    };
    let off = with_spec(
        crash(container(), &[line]),
        json!({"automountServiceAccountToken": false, "containers": [container()]}),
    );
    leads(
        &off,
        "Deployment",
        "spec.template.spec.automountServiceAccountToken",
        "but automountServiceAccountToken is false",
    );
    let mounts = with(container(), "/volumeMounts", json!([{"name": "work", "mountPath": "/scratch"}]));
    let volumes = json!([{"name": "work", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]);
    let full = with_spec(
        crash(container(), &["sh: write error: No space left on device"]),
        json!({"volumes": volumes, "containers": [mounts]}),
    );
    leads(
        &full,
        "Deployment",
        "spec.template.spec.volumes[0].emptyDir.sizeLimit",
        "volume work has no space left of its sizeLimit of 1Mi",
    );
}

#[test]
fn words_that_only_the_spec_has() {
    let tariff = env(&[("MODE", "prod"), ("TARIFF", "golden-hour")]);
    leads(
        &crash(tariff.clone(), &["fatal: there is no tariff golden-hour"]),
        "Deployment",
        &format!("{C}.env[TARIFF].value"),
        "its last words are about \"golden-hour\", which env TARIFF gives it",
    );
    leads(&crash(tariff, &["fatal: TARIFF?"]), "Deployment", &format!("{C}.env[TARIFF].value"), "are about env TARIFF");
}

#[test]
fn two_containers_on_one_port() {
    let mut e = crash(container(), &["Error: listen EADDRINUSE: address already in use :::8080"]);
    let found = at_second(&e, 5);
    assert!(found.cause.statement.contains("it cannot bind port 8080"), "{}", found.cause.statement);
    let proxy = json!({"name": "proxy", "image": "proxy:1", "ports": [{"containerPort": 8080}]});
    let spec = json!({"spec": {"containers": [container(), proxy]}});
    for revision in &mut e.view.revisions {
        revision.template = std::sync::Arc::new(serde_json::from_value(spec.clone()).unwrap());
    }
    leads(
        &e,
        "Deployment",
        &format!("{C}.ports[0].containerPort"),
        "port 8080 is taken by container proxy of the same pod",
    );
}

#[test]
fn a_link_to_what_a_revision_changed_goes_back() {
    // The new image wants a variable that nobody sets: the change does not say it, the log does.
    let now = with(container(), "/image", json!("registry.example/web:3"));
    let e = evidence(revisions(now.clone(), container(), [pod("old", "r1"), crashing("new").spec(now)]), 5);
    let found = at_second(&told(e, &["fatal: environment variable TENANT_ID is not set"]), 5);
    assert_eq!(found.cause.path.as_deref(), Some("spec.template.spec.containers[0].env[TENANT_ID]"));
    proposes(&found, "RollbackDeployment", &[("toRevision", "1")]);
}

#[test]
fn secrets_in_variables_are_not_repeated() {
    let now = env(&[("DB_PASSWORD", "hunter3")]);
    let e = evidence(
        revisions(now.clone(), env(&[("DB_PASSWORD", "hunter2")]), [pod("old", "r1"), crashing("new").spec(now)]),
        5,
    );
    let found = at_second(&told(e, &["FATAL: password authentication failed for user \"app\""]), 5);
    let all = format!("{found:?}");
    assert!(!all.contains("hunter"), "{all}");
    assert!(found.cause.path.as_deref().unwrap().contains("env[DB_PASSWORD]"));
}

#[test]
fn other_kinds_have_other_paths() {
    let line = "fatal: environment variable TENANT_ID is not set";
    let mut e = crash(container(), &[line]);
    e.view.workload.kind = "StatefulSet".into();
    leads(&e, "StatefulSet", &format!("{C}.env[TENANT_ID]"), "Container web of StatefulSet web");
    e.view.workload.kind = "Pod".into();
    e.view.revisions.clear();
    e.view.current = None;
    leads(&e, "Pod", "spec.containers[0].env[TENANT_ID]", "Container web of Pod web");
}
