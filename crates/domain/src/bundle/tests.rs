use serde_json::json;

use super::*;
use crate::llm::Scrubber;

fn issue() -> Value {
    json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Issue",
        "metadata": {"name": "web-1", "namespace": "shop"},
        "spec": {"description": "d", "severity": "high", "source": "watcher", "signalType": "oom_kill",
            "resource": {"kind": "Deployment", "name": "web", "namespace": "shop"}}
    })
}

fn bundle(objects: Vec<Value>) -> Bundle {
    Bundle {
        format: FORMAT.into(),
        version: VERSION,
        at: "2026-03-01T10:00:00Z".parse().unwrap(),
        by: "test".into(),
        issue: Named { namespace: "shop".into(), name: "web-1".into() },
        missing: BTreeMap::new(),
        also: BTreeSet::new(),
        left_out: Vec::new(),
        objects: [vec![issue()], objects].concat(),
        logs: Vec::new(),
    }
}

fn refused(bundle: &Bundle) -> String {
    Bundle::read(bundle.write().unwrap().as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_bundle_is_read_as_it_was_written() {
    let mut written =
        bundle(vec![json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}})]);
    written.missing.insert("Secret".into(), "forbidden".into());
    let log = |previous| Log {
        namespace: "shop".into(),
        pod: "a".into(),
        container: "app".into(),
        previous,
        lines: vec!["one".into(), "two".into()],
    };
    written.logs = vec![log(true), log(false)];
    let read = Bundle::read(written.write().unwrap().as_bytes()).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.namespaces(), BTreeSet::from(["shop".to_owned()]));
    assert!(read.cause().is_none());
}

#[test]
fn a_hostile_or_wrong_file_is_refused_with_the_part_and_the_remedy() {
    let text = |bytes: &[u8]| Bundle::read(bytes).unwrap_err().to_string();
    let deep = format!("{{\"format\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let later = json!({"format": FORMAT, "version": 2}).to_string();
    let extra = json!({"format": FORMAT, "version": 1, "at": "2026-03-01T10:00:00Z", "issue": {"namespace": "a", "name": "b"},
        "objects": [], "run": "rm"});
    for (bytes, part) in [
        (&b""[..], "the file"),
        (b"{", "the file"),
        (b"[1,2]", "the file"),
        (b"{\"kind\":\"List\"}", "format"),
        (deep.as_bytes(), "the file"),
        (later.as_bytes(), "version"),
        (extra.to_string().as_bytes(), "unknown field `run`"),
        (b"\xff\xfe", "the file"),
    ] {
        let said = text(bytes);
        assert!(said.contains(part) && said.contains("remedy: "), "{said}");
    }
    assert!(text(&vec![b' '; LARGEST + 1]).contains("larger than 64 MiB"));
}

#[test]
fn objects_that_no_bundle_holds_are_refused_by_their_place() {
    let pod = |namespace: &str, name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name}});
    for (objects, part) in [
        (vec![json!(3)], "objects[1]"),
        (vec![json!({"apiVersion": "v1", "kind": "Sauce", "metadata": {"name": "a"}})], "no kind that a bundle holds"),
        (vec![json!({"apiVersion": "v2", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"}})], "v2"),
        (vec![pod("shop", "")], "objects[1].metadata.name"),
        (vec![pod("shop", "../../etc/passwd")], "objects[1].metadata.name"),
        (vec![pod("", "a")], "objects[1].metadata.namespace"),
        (
            vec![json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "namespace": "b"}})],
            "no namespace",
        ),
        (vec![pod("shop", "a"), pod("shop", "a")], "is there twice"),
        (
            vec![
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}, "spec": "x"}),
            ],
            "has not the form",
        ),
        (
            vec![
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}, "data": {"k": "aHVudGVyMg=="}}),
            ],
            "comes with its values",
        ),
    ] {
        let said = refused(&bundle(objects));
        assert!(said.contains(part) && said.contains("remedy: "), "{said}");
    }
    let mut without = bundle(Vec::new());
    without.issue.name = "other".into();
    assert!(refused(&without).contains("Issue shop/other is not among the objects"));
    let mut log = bundle(Vec::new());
    log.logs.push(Log {
        namespace: "shop".into(),
        pod: "gone".into(),
        container: "app".into(),
        previous: false,
        lines: Vec::new(),
    });
    assert!(refused(&log).contains("logs[0]"));
    let mut at = bundle(Vec::new());
    at.at = Timestamp::UNIX_EPOCH;
    assert!(refused(&at).contains("no time of an incident"));
}

#[test]
fn no_secret_passes_in_any_place_of_an_object() {
    let scrubber = Scrubber::new("").unwrap();
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "labels": {"app": "web"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"x\":\"hunter2\"}", "db-password": "hunter2"},
            "managedFields": [{"manager": "kubectl", "operation": "Update", "time": "2026-03-01T10:00:00Z",
                "fieldsV1": {"f:spec": {"f:hunter2": {}}}}]},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "shop:1",
            "args": ["--db-password", "hunter2", "--token=hunter2", "-v"],
            "env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "URL", "value": "postgres://a:hunter2@db/x"},
                {"name": "LEVEL", "value": "info"},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]}]}}}
    });
    assert!(reduce(&mut deployment, &scrubber).is_empty());
    let text = deployment.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    let container = deployment.pointer("/spec/template/spec/containers/0").unwrap();
    assert_eq!(container["env"][2]["value"], "info");
    assert_eq!(container["env"][3]["valueFrom"]["secretKeyRef"], json!({"name": "db", "key": "password"}));
    assert_eq!(container["image"], "shop:1");
    assert_eq!(deployment["metadata"]["managedFields"][0]["manager"], "kubectl");

    let mut map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"},
        "data": {"API_KEY": "hunter2", "app.yaml": "port: 80\npassword: hunter2\n", "MODE": "fast", "big": "x".repeat(40_000)},
        "binaryData": {"blob": "aHVudGVyMg=="}
    });
    assert_eq!(reduce(&mut map, &scrubber), ["data.big"]);
    let text = map.to_string();
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg") && text.len() < 20_000, "{text}");
    assert!(map["data"]["app.yaml"].as_str().unwrap().starts_with("port: 80"));
    assert_eq!(map["data"]["MODE"], "fast");
}

#[test]
fn of_a_secret_stay_its_type_the_names_of_its_keys_and_the_dates_of_its_certificate() {
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": "tls", "namespace": "shop", "uid": "u", "annotations": {"note": "hunter2"}, "labels": {"owner": "helm"},
            "managedFields": [{"manager": "m", "fieldsV1": {"f:data": {"f:hunter2": {}}}}]},
        "data": {"tls.crt": "aHVudGVyMg==", "tls.key": "aHVudGVyMg=="}, "stringData": {"a": "hunter2"}
    });
    let certificate = Certificate {
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-02-01T00:00:00Z".parse().unwrap(),
        names: vec!["shop.example".into()],
    };
    let reduced = secret(&object, Some(certificate));
    let text = reduced.to_string();
    assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
    assert_eq!(reduced["keys"], json!(["tls.crt", "tls.key"]));
    assert_eq!(reduced["type"], "kubernetes.io/tls");
    assert_eq!(reduced["certificate"]["notAfter"], "2026-02-01T00:00:00Z");
    Bundle::read(bundle(vec![reduced]).write().unwrap().as_bytes()).unwrap();
}

#[test]
fn what_finds_no_room_is_said_and_a_kind_is_there_whole_or_not_at_all() {
    let object = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "x": "y".repeat(1000)});
    let many = |kind: &str| (0..20).map(|place| object(kind, &format!("o{place}"))).collect::<Vec<_>>();
    let mut full = bundle(Vec::new());
    let log = |pod: &str| Log {
        namespace: "shop".into(),
        pod: pod.into(),
        container: "app".into(),
        previous: false,
        lines: vec!["z".repeat(500)],
    };
    let loads = vec![
        Load::Objects { kind: "Pod", of: "of namespace shop".into(), objects: vec![object("Pod", "p")] },
        Load::Objects { kind: "ConfigMap", of: "of namespace shop".into(), objects: many("ConfigMap") },
        Load::Events(many("Event")),
        Load::Logs(vec![log("p"), log("not-there")]),
        Load::Neighbours(many("Pod")),
    ];
    fit(&mut full, loads, 16 * 1024 + 8 * 1024);
    assert!(full.missing["ConfigMap"].contains("20 objects of namespace shop"), "{:?}", full.missing);
    let kinds = |kind: &str| full.objects.iter().filter(|object| object["kind"] == kind).count();
    assert_eq!((kinds("Pod"), kinds("ConfigMap")), (1, 0));
    assert!((1..20).contains(&kinds("Event")));
    let said = full.left_out.join("\n");
    assert!(said.contains("of 20 Events") && said.contains("20 pods of other namespaces"), "{said}");
    assert_eq!(full.logs.len(), usize::from(!said.contains("of pod p,")));
}

#[test]
fn a_cause_is_the_same_when_object_and_field_are() {
    let cause = |kind: &str, path: &str| RootCause {
        object: api::shared::ObjectRef { kind: kind.into(), name: "web".into(), ..Default::default() },
        path: Some(path.into()),
        value: None,
        class: serde_json::from_value(json!("OutOfMemory")).unwrap(),
        statement: String::new(),
        confidence: 1.0,
        proof: Vec::new(),
        ruled_out: Vec::new(),
    };
    let then = cause("Deployment", "spec.replicas");
    assert!(compare(&then, &then).same());
    assert!(!compare(&then, &cause("Deployment", "spec.paused")).same());
    assert!(!compare(&then, &cause("Service", "spec.replicas")).same());
}

#[test]
fn a_neighbour_keeps_what_it_takes_and_by_what_it_is_seen() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "namespace": "other", "labels": {"app": "x"}, "annotations": {"n": "hunter2"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "hunter2"}],
            "resources": {"requests": {"cpu": "1"}}}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1"}});
    let slim = slim_pod(&pod);
    assert!(!slim.to_string().contains("hunter2"));
    assert_eq!(slim["spec"]["containers"][0]["resources"]["requests"]["cpu"], "1");
    assert_eq!(slim["metadata"]["labels"]["app"], "x");
    assert_eq!(kind_of(&slim).and_then(|kind| kind.misfit(&slim)), None);
}
