use std::collections::BTreeMap;

use api::Instance;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::*;

fn instance(spec: &Value) -> Instance {
    serde_json::from_value(json!({
        "apiVersion": "platform.chatcli.io/v1alpha1", "kind": "Instance",
        "metadata": {"name": "chatcli-prod", "namespace": "chatcli-system", "uid": "u-1", "generation": 3},
        "spec": spec,
    }))
    .unwrap()
}

/// As the cookbook writes it.
fn cookbook() -> Instance {
    instance(&json!({
        "replicas": 2, "provider": "CLAUDEAI", "model": "claude-sonnet-4-20250514",
        "server": {
            "port": 50051, "metricsPort": 9090,
            "tls": {"enabled": true, "secretName": "chatcli-tls"},
            "token": {"name": "chatcli-auth", "key": "token"},
        },
        "apiKeys": {"name": "chatcli-api-keys"},
        "watcher": {"enabled": true, "interval": "30s", "window": "2h", "targets": [
            {"deployment": "api-gateway", "namespace": "production", "metricsPort": 8080, "metricsPath": "/metrics"},
            {"deployment": "payment-service", "namespace": "production", "metricsPort": 8080},
            {"deployment": "user-service", "namespace": "production"},
        ]},
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
        "persistence": {"enabled": true, "size": "5Gi"},
    }))
}

fn settings() -> Settings {
    Settings {
        default_image: "ghcr.io/diillson/chatcli:1.0.0".to_owned(),
        app_version: Some("1.0.0".to_owned()),
        cluster_domain: "cluster.local".to_owned(),
        prometheus_url: None,
    }
}

fn holding(keys: &[(&str, &str)]) -> Seen {
    let mut seen = Seen::default();
    let content = seen.get_or_insert_default();
    content.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))));
    seen
}

fn all_there() -> Found {
    BTreeMap::from([
        ((Kind::Secret, "chatcli-auth".to_owned()), holding(&[("token", "t0ken")])),
        ((Kind::Secret, "chatcli-tls".to_owned()), holding(&[("tls.crt", "c"), ("tls.key", "k"), ("ca.crt", "c")])),
        ((Kind::Secret, "chatcli-api-keys".to_owned()), holding(&[("ANTHROPIC_API_KEY", "sk-ant-xxx")])),
    ])
}

fn json_of(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn pod_of(desired: &Desired) -> Value {
    match &desired.workload {
        Workload::Deployment(deployment) => json_of(deployment)["spec"]["template"].clone(),
        Workload::StatefulSet(set) => json_of(set)["spec"]["template"].clone(),
    }
}

#[test]
fn the_cookbooks_instance_has_all_objects_with_the_names_of_the_contract() {
    let instance = cookbook();
    let wanted = desired(View::of(&instance), &all_there(), &settings());
    let Workload::StatefulSet(set) = &wanted.workload else { panic!("persistence makes a StatefulSet") };
    let set = json_of(set);
    assert_eq!(set["metadata"]["name"], "chatcli-prod");
    assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], "u-1");
    assert_eq!(set["spec"]["replicas"], 2);
    let claim = &set["spec"]["volumeClaimTemplates"][0];
    assert_eq!(
        (&claim["metadata"]["name"], &claim["spec"]["accessModes"][0]),
        (&json!("sessions"), &json!("ReadWriteOnce"))
    );
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "5Gi");
    assert_eq!(
        set["spec"]["selector"]["matchLabels"],
        json!({"app.kubernetes.io/name": "chatcli", "app.kubernetes.io/instance": "chatcli-prod", "app.kubernetes.io/managed-by": "chatcli-operator"})
    );
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], json!(["chatcli", "server"]));
    assert_eq!(
        container["args"],
        json!([
            "--port",
            "50051",
            "--metrics-port",
            "9090",
            "--provider",
            "CLAUDEAI",
            "--model",
            "claude-sonnet-4-20250514",
            "--tls-cert",
            "/etc/chatcli/tls/tls.crt",
            "--tls-key",
            "/etc/chatcli/tls/tls.key",
            "--watch-config",
            "/etc/chatcli/watch/watch-config.yaml"
        ])
    );
    assert_eq!(container["image"], "ghcr.io/diillson/chatcli:1.0.0");
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/readyz", "port": "metrics"}));
    assert_eq!(container["resources"]["limits"]["memory"], "1Gi");
    let env: BTreeMap<&str, &Value> =
        container["env"].as_array().unwrap().iter().map(|e| (e["name"].as_str().unwrap(), e)).collect();
    assert_eq!(env["CHATCLI_SERVER_TOKEN_FILE"]["value"], "/etc/chatcli/token/token");
    assert_eq!(env["CHATCLI_INSTANCE"]["value"], "chatcli-prod");
    assert_eq!(env["POD_NAMESPACE"]["valueFrom"]["fieldRef"]["fieldPath"], "metadata.namespace");
    assert_eq!(set["spec"]["template"]["spec"]["securityContext"]["fsGroup"], 1000);
    let text = set.to_string();
    assert!(!text.contains("\"optional\":true"), "nothing that is missing is passed over");
    assert!(!text.contains("t0ken") && !text.contains("sk-ant-xxx"), "no secret stands in an object");

    let names: Vec<_> = wanted.config_maps.iter().map(|map| map.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["chatcli-prod", "chatcli-prod-watch-config"]);
    let config = wanted.config_maps[1].data.as_ref().unwrap()["watch-config.yaml"].clone();
    assert!(config.starts_with("interval: \"30s\"\nwindow: \"2h\"\nmaxLogLines: 100\nmaxContextChars: 32000\ntargets:\n- deployment: \"api-gateway\"\n  kind: Deployment\n  namespace: \"production\"\n  metricsPort: 8080\n  metricsPath: \"/metrics\"\n"), "{config}");
    let service = json_of(&wanted.service);
    assert_eq!(service["spec"]["type"], "ClusterIP");
    assert!(service["spec"]["clusterIP"].is_null(), "never headless");
    assert_eq!(json_of(&wanted.disruption_budget)["spec"]["maxUnavailable"], 1);
}

#[test]
fn rights_reach_only_the_namespaces_that_are_watched_and_two_instances_never_share_a_name() {
    let instance = cookbook();
    let wanted = desired(View::of(&instance), &all_there(), &settings());
    let places: Vec<_> = wanted
        .roles
        .iter()
        .map(|(role, _)| (role.metadata.namespace.clone().unwrap(), role.metadata.name.clone().unwrap()))
        .collect();
    assert_eq!(
        places,
        [
            ("chatcli-system".to_owned(), "chatcli-prod-lease".to_owned()),
            ("production".to_owned(), "chatcli-system.chatcli-prod-watcher".to_owned()),
        ]
    );
    let (role, binding) = &wanted.roles[1];
    assert!(role.metadata.owner_references.is_none(), "no owner reference crosses namespaces");
    assert_eq!(role.metadata.annotations.as_ref().unwrap()[OWNER_UID], "u-1");
    assert_eq!(binding.subjects.as_ref().unwrap()[0].namespace.as_deref(), Some("chatcli-system"));
    let rules = json_of(role)["rules"].to_string();
    assert!(rules.contains("cronjobs") && rules.contains("pods/log"));
    assert!(!rules.contains("secrets") && !rules.contains("nodes"));
    let (nodes, binding) = wanted.nodes.as_ref().unwrap();
    assert_eq!(nodes.metadata.name.as_deref(), Some("chatcli-watcher-nodes"));
    assert_eq!(binding.metadata.name.as_deref(), Some("chatcli-system.chatcli-prod-watcher-nodes"));

    let named = |namespace: &str, name: &str| {
        let mut instance = cookbook();
        instance.metadata.namespace = Some(namespace.to_owned());
        instance.metadata.name = Some(name.to_owned());
        (foreign_name(View::of(&instance)), node_binding_name(View::of(&instance)))
    };
    assert_ne!(named("a-b", "c"), named("a", "b-c"));
}

#[test]
fn what_is_measured_is_written_down_and_its_right_is_granted_only_where_it_is_needed() {
    let of = |targets: Value| {
        let watched = json!({"provider": "BUILTIN", "watcher": {"enabled": true, "targets": targets}});
        let settings = Settings { prometheus_url: Some("http://prometheus:9090".to_owned()), ..settings() };
        desired(View::of(&instance(&watched)), &Found::new(), &settings)
    };
    let wanted = of(json!([
        {"name": "web", "namespace": "shop", "metricsPort": 8080, "metricsFilter": ["http_*"], "thresholds": {"errorPercent": 2, "holdSeconds": 0}},
        {"name": "db", "namespace": "data", "metricsPort": 0},
    ]));
    let data = |index: usize, key: &str| wanted.config_maps[index].data.as_ref().unwrap()[key].clone();
    assert_eq!(data(0, "PROMETHEUS_URL"), "http://prometheus:9090");
    let config = data(1, "watch-config.yaml");
    assert!(
        config.contains("  metricsFilter: [\"http_*\"]\n  thresholds: {\"errorPercent\":2,\"holdSeconds\":0}\n"),
        "{config}"
    );
    let rules = |namespace: &str| {
        let role = wanted.roles.iter().find(|(role, _)| {
            role.metadata.name.as_deref().is_some_and(|name| name.ends_with("watcher"))
                && role.metadata.namespace.as_deref() == Some(namespace)
        });
        json_of(&role.unwrap().0)["rules"].to_string()
    };
    assert!(rules("shop").contains("pods/proxy") && !rules("data").contains("pods/proxy"));
    let unwatched = desired(
        View::of(&instance(&json!({"provider": "BUILTIN"}))),
        &Found::new(),
        &Settings { prometheus_url: Some("http://p".to_owned()), ..settings() },
    );
    assert!(!unwatched.config_maps[0].data.as_ref().unwrap().contains_key("PROMETHEUS_URL"));
}

#[test]
fn a_change_of_what_pods_read_once_takes_new_pods_and_what_is_reloaded_does_not() {
    let instance = cookbook();
    let view = View::of(&instance);
    let before = pod_of(&desired(view, &all_there(), &settings()));
    let with = |name: &str, keys: &[(&str, &str)]| {
        let mut found = all_there();
        found.insert((Kind::Secret, name.to_owned()), holding(keys));
        pod_of(&desired(view, &found, &settings()))
    };
    assert_eq!(before, with("chatcli-auth", &[("token", "another")]));
    assert_eq!(before, with("chatcli-tls", &[("tls.crt", "x"), ("tls.key", "y")]));
    let rolled = with("chatcli-api-keys", &[("ANTHROPIC_API_KEY", "sk-ant-yyy")]);
    assert_ne!(before["metadata"]["annotations"], rolled["metadata"]["annotations"]);
    let mut other = cookbook();
    other.spec.watcher.as_mut().unwrap().interval = "10s".to_owned();
    let changed = pod_of(&desired(View::of(&other), &all_there(), &settings()));
    let (old, new) = (&before["metadata"]["annotations"], &changed["metadata"]["annotations"]);
    assert_ne!(old["chatcli.io/watch-config-hash"], new["chatcli.io/watch-config-hash"]);
}

#[test]
fn the_fields_of_the_spec_have_their_effect() {
    let instance = instance(&json!({
        "provider": "OPENAI", "replicas": 3,
        "image": {"repository": "registry:5000/team/chatcli"},
        "imagePullSecrets": [{"name": "registry"}],
        "podLabels": {"team": "sre"}, "podAnnotations": {"note": "x"},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn"}},
        "service": {"type": "LoadBalancer", "annotations": {"lb": "nlb"}},
        "scheduling": {"nodeSelector": {"disk": "ssd"}, "priorityClassName": "high", "tolerations": [{"operator": "Exists"}]},
        "probes": {"startup": {"failureThreshold": 99}},
        "budget": {"maxTokensPerIncident": 1000, "maxCostUSDPerIncident": 0.25},
        "server": {"port": 7000, "metricsPort": 0, "security": {"rateLimitRps": 5, "enableReflection": true, "jwtSecretRef": {"name": "jwt", "key": "s"}}},
        "fallback": {"enabled": true, "providers": [{"name": "OLLAMA", "model": "m"}, {"name": "GITHUB_MODELS"}]},
        "mcp": {"enabled": true, "servers": [{"name": "a", "transport": "stdio", "command": "npx"}]},
        "plugins": {"image": "p:1"},
        "agents": {"configMapRef": "agents"},
        "watcher": {"enabled": true, "deployment": "api"},
        "extraEnv": [{"name": "OPENAI_API_KEY", "value": "k"}, {"name": "CHATCLI_TLS_REQUIRED", "value": "false"}, {"name": "POD_NAME", "value": "x"}],
    }));
    let wanted = desired(View::of(&instance), &Found::new(), &settings());
    let Workload::Deployment(deployment) = &wanted.workload else { panic!("no persistence, a Deployment") };
    let deployment = json_of(deployment);
    assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"], json!({"maxSurge": 0, "maxUnavailable": 1}));
    let pod = pod_of(&wanted);
    assert_eq!(pod["metadata"]["labels"]["team"], "sre");
    assert_eq!(pod["metadata"]["annotations"]["note"], "x");
    let spec = &pod["spec"];
    assert_eq!((&spec["nodeSelector"]["disk"], &spec["priorityClassName"]), (&json!("ssd"), &json!("high")));
    assert_eq!(spec["topologySpreadConstraints"][0]["whenUnsatisfiable"], "ScheduleAnyway");
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(spec["initContainers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    let container = &spec["containers"][0];
    assert_eq!(container["image"], "registry:5000/team/chatcli:1.0.0");
    assert_eq!(container["startupProbe"]["failureThreshold"], 99);
    assert_eq!(container["livenessProbe"]["tcpSocket"]["port"], "grpc", "no port for HTTP");
    let named = |name: &str| {
        container["env"].as_array().unwrap().iter().filter(|e| e["name"] == name).cloned().collect::<Vec<_>>()
    };
    assert_eq!(named("POD_NAME").len(), 1);
    assert!(named("POD_NAME")[0]["value"].is_null());
    let data = wanted.config_maps[0].data.clone().unwrap();
    for (key, value) in [
        ("CHATCLI_FALLBACK_PROVIDERS", "OLLAMA,GITHUB_MODELS"),
        ("CHATCLI_FALLBACK_MODEL_OLLAMA", "m"),
        ("CHATCLI_BUDGET_TOKENS_PER_INCIDENT", "1000"),
        ("CHATCLI_BUDGET_USD_PER_INCIDENT", "0.25"),
        ("CHATCLI_RATE_LIMIT_RPS", "5"),
        ("CHATCLI_GRPC_REFLECTION", "true"),
        ("CHATCLI_WATCH_DEPLOYMENT", "api"),
        ("CHATCLI_WATCH_NAMESPACE", "chatcli-system"),
    ] {
        assert_eq!(data.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(wanted.config_maps.len(), 3);
    assert_eq!(wanted.roles[1].0.metadata.name.as_deref(), Some("chatcli-prod-watcher"));
    assert_eq!(json_of(&wanted.service)["spec"]["type"], "LoadBalancer");
    assert_eq!(json_of(&wanted.service_account)["metadata"]["annotations"]["eks.amazonaws.com/role-arn"], "arn");
}

#[test]
fn what_is_missing_is_named_with_the_line_that_mends_it() {
    let instance = cookbook();
    let view = View::of(&instance);
    let all = needs(view);
    let troubles = |found: &Found| -> Vec<Trouble> {
        all.iter().flat_map(|n| judge(view, n, found.get(&(n.kind, n.name.clone())).unwrap_or(&None))).collect()
    };
    assert!(troubles(&all_there()).is_empty());
    let texts: Vec<String> = troubles(&Found::new()).iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "Secret chatcli-auth (spec.server.token) does not exist in namespace chatcli-system; remedy: kubectl -n chatcli-system create secret generic chatcli-auth --from-literal=token=\"$(openssl rand -hex 32)\"",
            "Secret chatcli-tls (spec.server.tls.secretName) does not exist in namespace chatcli-system; remedy: kubectl -n chatcli-system create secret generic chatcli-tls --from-file=tls.crt=tls.crt --from-file=tls.key=tls.key --from-file=ca.crt=ca.crt",
            "Secret chatcli-api-keys (spec.apiKeys) does not exist in namespace chatcli-system; remedy: kubectl -n chatcli-system create secret generic chatcli-api-keys --from-literal=ANTHROPIC_API_KEY=VALUE",
        ]
    );
    let mut wrong_key = all_there();
    wrong_key.insert((Kind::Secret, "chatcli-auth".to_owned()), holding(&[("Token", "x")]));
    let trouble = &troubles(&wrong_key)[0];
    assert_eq!(trouble.reason, "KeyMissing");
    assert_eq!(trouble.text, "key \"token\" not found in secret \"chatcli-auth\" (spec.server.token); it has Token");
    let mut empty = all_there();
    empty.insert((Kind::Secret, "chatcli-auth".to_owned()), holding(&[("token", " \n")]));
    assert_eq!(troubles(&empty)[0].reason, "KeyEmpty");
}

#[test]
fn without_a_token_in_the_spec_one_is_made_and_asked_for() {
    let instance = instance(&json!({"provider": "BUILTIN"}));
    let view = View::of(&instance);
    assert_eq!(own_secrets(view), ["chatcli-prod-token"]);
    let text = pod_of(&desired(view, &Found::new(), &settings())).to_string();
    assert!(text.contains("\"secretName\":\"chatcli-prod-token\"") && text.contains("CHATCLI_SERVER_TOKEN_FILE"));
}

#[test]
fn what_is_dialed_and_which_name_is_verified() {
    let of = |server: Value| {
        let instance = instance(&json!({"provider": "BUILTIN", "server": server}));
        let view = View::of(&instance);
        (view.dial(), view.server_name("example.org"))
    };
    assert_eq!(of(json!({})), (Dial::Pods(50051), "chatcli-prod.chatcli-system.svc.example.org".to_owned()));
    let address = |text: &str, name: &str| (Dial::Address(text.to_owned()), name.to_owned());
    assert_eq!(
        of(json!({"address": "chatcli.example.com"})),
        address("chatcli.example.com:50051", "chatcli.example.com")
    );
    assert_eq!(of(json!({"address": "dns:///a.example.com:443"})), address("a.example.com:443", "a.example.com"));
    assert_eq!(of(json!({"address": "[2001:db8::1]"})), address("[2001:db8::1]:50051", "2001:db8::1"));
    assert_eq!(of(json!({"address": "10.0.0.7:443", "serverName": "x.org"})), address("10.0.0.7:443", "x.org"));
}

fn observed(found: &Found) -> Observed<'_> {
    let target = |name: &str| TargetSeen {
        kind: "Deployment".to_owned(),
        namespace: "production".to_owned(),
        name: name.to_owned(),
        looked_at: true,
        problem: String::new(),
    };
    let provider =
        ProviderSeen { name: "CLAUDEAI".to_owned(), model: "m".to_owned(), ready: true, problem: String::new() };
    let server = ServerSeen {
        standby: false,
        targets: vec![target("api-gateway"), target("payment-service"), target("user-service")],
        provider: Some(provider.clone()),
    };
    let standby = ServerSeen { standby: true, targets: Vec::new(), provider: Some(provider) };
    let link = |name: &str, server| Link { name: name.to_owned(), connected: Ok(()), server: Some(server) };
    Observed {
        found,
        secrets: Vec::new(),
        tls: Tls::Good("valid until 2027".to_owned()),
        refused: Vec::new(),
        pods: Pods { existing: 2, ready: 2, trouble: None },
        links: vec![link("chatcli-prod-0", server), link("chatcli-prod-1", standby)],
    }
}

type Break = fn(&mut Observed<'_>);

fn of_type(all: &[Condition], type_: &str) -> Condition {
    all.iter().find(|condition| condition.type_ == type_).unwrap().clone()
}

#[test]
fn available_is_the_sum_of_all_others() {
    let (instance, found) = (cookbook(), all_there());
    let view = View::of(&instance);
    let good = observed(&found);
    let all = conditions(view, &good);
    assert!(all.iter().all(|condition| condition.holds == Some(true)), "{all:#?}");
    let breaks: [(&str, &str, Break); 8] = [
        ("SecretsReady", "SecretsNotReady", |o| o.secrets = vec![Trouble::new("SecretMissing", "a", "b")]),
        ("TLSReady", "TLSNotReady", |o| o.tls = Tls::Bad(vec![Trouble::new("NameMismatch", "x509: ...", "b")])),
        ("ProviderReady", "ProviderNotReady", |o| {
            let provider = o.links[0].server.as_mut().unwrap().provider.as_mut().unwrap();
            (provider.ready, provider.problem) = (false, "401".to_owned());
        }),
        ("Connected", "NotConnected", |o| o.links[1].connected = Err("connection refused".to_owned())),
        ("Connected", "NotConnected", |o| drop(o.links.pop())),
        ("WatcherReady", "WatcherNotReady", |o| o.links[0].server.as_mut().unwrap().targets[1].looked_at = false),
        ("WatcherReady", "WatcherNotReady", |o| o.links[0].server.as_mut().unwrap().standby = true),
        ("Valid", "Refused", |o| o.refused = vec![Trouble::new("Refused", "a", "b")]),
    ];
    for (type_, reason, break_it) in breaks {
        let mut seen = observed(&found);
        break_it(&mut seen);
        let all = conditions(view, &seen);
        assert_ne!(of_type(&all, type_).holds, Some(true), "{type_}");
        let available = of_type(&all, "Available");
        assert_eq!((available.holds, available.reason.as_str()), (Some(false), reason), "{type_}: {available:?}");
    }
    let mut seen = observed(&found);
    seen.refused = vec![Trouble::new("VolumeCannotGrow", "a", "b")];
    let all = conditions(view, &seen);
    assert_eq!((of_type(&all, "Valid").holds, of_type(&all, "Available").holds), (Some(false), Some(true)));
    let mut seen = observed(&found);
    seen.pods = Pods { existing: 2, ready: 1, trouble: Some("pod chatcli-prod-1: ImagePullBackOff".to_owned()) };
    seen.links.pop();
    let available = of_type(&conditions(view, &seen), "Available");
    assert_eq!(available.reason, "DeploymentNotReady");
    assert_eq!(available.message, "1/2 replicas ready: pod chatcli-prod-1: ImagePullBackOff");
}

#[test]
fn a_provider_without_its_key_or_without_a_public_api_is_told_before_anybody_asks_it() {
    let found = BTreeMap::from([((Kind::Secret, "keys".to_owned()), holding(&[("OPENAI_API_KEY", "x")]))]);
    let of = |spec: Value| of_type(&conditions(View::of(&instance(&spec)), &observed(&found)), "ProviderReady");
    let wrong = of(json!({"provider": "CLAUDEAI", "apiKeys": {"name": "keys"}}));
    assert_eq!(wrong.reason, "ApiKeyMissing");
    assert!(wrong.message.starts_with("provider CLAUDEAI needs ANTHROPIC_API_KEY, and secret \"keys\" (spec.apiKeys) does not have it; it has OPENAI_API_KEY; remedy: kubectl"), "{}", wrong.message);
    assert_eq!(of(json!({"provider": "XAI"})).reason, "NoApiKeys");
    assert_eq!(of(json!({"provider": "DEVIN"})).reason, "NotSupported");
    assert_eq!(of(json!({"provider": "BUILTIN"})).holds, Some(true));
    assert_eq!(of(json!({"provider": "OPENAI", "apiKeys": {"name": "keys"}})).holds, Some(true));
    let by_env = json!({"provider": "CLAUDEAI", "extraEnv": [{"name": "ANTHROPIC_API_KEY", "value": "x"}]});
    assert_eq!(of(by_env).holds, Some(true));
}

#[test]
fn plaintext_says_so_and_fields_without_effect_are_named() {
    let found = Found::new();
    let spec = json!({
        "provider": "BUILTIN", "plugins": {"image": "p:1"}, "aiops": {"agenticMaxSteps": 20},
        "server": {"tls": {"secretName": "unused"}, "security": {"bindAddress": "127.0.0.1"}},
        "extraEnv": [{"name": "POD_NAME", "value": "x"}],
    });
    let mut seen = observed(&found);
    seen.tls = Tls::Off;
    let all = conditions(View::of(&instance(&spec)), &seen);
    let tls = of_type(&all, "TLSReady");
    assert_eq!((tls.holds, tls.reason.as_str()), (Some(true), "Disabled"));
    let valid = of_type(&all, "Valid");
    assert_eq!(valid.reason, "FieldsWithoutEffect");
    for field in
        ["spec.plugins", "spec.server.tls.secretName", "bindAddress", "spec.extraEnv[POD_NAME]", "agenticMaxSteps"]
    {
        assert!(valid.message.contains(field), "{field}: {}", valid.message);
    }
}

#[test]
fn no_ready_instance_is_told_with_each_reason_and_nothing_is_told_when_there_is_one() {
    assert!(no_ready_instance([]).unwrap().starts_with("no ready Instance found: there is none"));
    let mut waiting = cookbook();
    assert!(no_ready_instance([&waiting]).unwrap().contains("chatcli-system/chatcli-prod: not looked at yet"));
    waiting.status = Some(api::instance::InstanceStatus { ready: true, ..Default::default() });
    assert_eq!(no_ready_instance([&waiting, &cookbook()]), None);
}
