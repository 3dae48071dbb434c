//! Wrong input, one thing at a time: a condition that names it and the remedy, while the other Instances go on.

use api::Instance;
use jiff::SignedDuration;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::{World, certificate, cookbook, t0, until, world};

/// What is wrong, in which condition that shows, with which reason, and what its message must contain.
struct Case {
    name: &'static str,
    spec: Value,
    condition: &'static str,
    reason: &'static str,
    says: Vec<String>,
}

fn case(name: &'static str, spec: Value, condition: &'static str, reason: &'static str, says: &[&str]) -> Case {
    Case { name, spec, condition, reason, says: says.iter().map(|text| (*text).to_owned()).collect() }
}

fn tls(secret: &str) -> Value {
    json!({"provider": "BUILTIN", "server": {"tls": {"enabled": true, "secretName": secret}}})
}

async fn wrong_secrets(world: &World<'_>) {
    let ns = &world.ns.name;
    let (leaf, key, ca) = certificate("other", ns);
    let (_, other_key, other_ca) = certificate("other", ns);
    let whole = |name: &'static str, keys: Vec<(&'static str, String)>| async move {
        let keys: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
        world.secret(name, &keys).await;
    };
    whole("empty", vec![("token", " ".to_owned()), ("other", "x".to_owned())]).await;
    whole("no-key", vec![("tls.crt", leaf.clone())]).await;
    whole("no-pem", vec![("tls.crt", "nonsense".to_owned()), ("tls.key", key.clone())]).await;
    whole("mixed", vec![("tls.crt", leaf.clone()), ("tls.key", other_key)]).await;
    whole("wrong-name", vec![("tls.crt", leaf.clone()), ("tls.key", key.clone()), ("ca.crt", ca.clone())]).await;
    whole("no-ca", vec![("tls.crt", leaf.clone()), ("tls.key", key.clone())]).await;
    whole("wrong-ca", vec![("tls.crt", leaf), ("tls.key", key), ("ca.crt", other_ca)]).await;
    let authority =
        pki::issue_ca("old", t0() - SignedDuration::from_hours(2400), SignedDuration::from_hours(9600)).unwrap();
    let signer = pki::Authority { certificate: &authority.certificate, key: &authority.key };
    let names = [format!("expired.{ns}.svc.cluster.local")];
    let begin = t0() - SignedDuration::from_hours(2000);
    let old = pki::issue_leaf(&names, signer, begin, SignedDuration::from_hours(100)).unwrap();
    whole("expired", vec![("tls.crt", old.certificate), ("tls.key", old.key), ("ca.crt", authority.certificate)]).await;
    whole("openai-only", vec![("OPENAI_API_KEY", "x".to_owned())]).await;
}

fn cases(ns: &str) -> Vec<Case> {
    let handshake = "transport: authentication handshake failed: x509: certificate";
    vec![
        case(
            "token-missing",
            json!({"provider": "BUILTIN", "server": {"token": {"name": "nowhere", "key": "token"}}}),
            "SecretsReady",
            "SecretMissing",
            &[
                "Secret nowhere (spec.server.token) does not exist",
                "create secret generic nowhere --from-literal=token=",
            ],
        ),
        case(
            "token-key",
            json!({"provider": "BUILTIN", "server": {"token": {"name": "empty", "key": "tokn"}}}),
            "SecretsReady",
            "KeyMissing",
            &["key \"tokn\" not found in secret \"empty\"", "it has other, token", "patch secret empty"],
        ),
        case(
            "token-empty",
            json!({"provider": "BUILTIN", "server": {"token": {"name": "empty", "key": "token"}}}),
            "SecretsReady",
            "KeyEmpty",
            &["is empty", "openssl rand"],
        ),
        case(
            "jwt",
            json!({"provider": "BUILTIN", "server": {"security": {"jwtSecretRef": {"name": "nojwt", "key": "k"}}}}),
            "SecretsReady",
            "SecretMissing",
            &["spec.server.security.jwtSecretRef"],
        ),
        case(
            "tls-missing",
            tls("notls"),
            "SecretsReady",
            "SecretMissing",
            &["spec.server.tls.secretName", "--from-file=ca.crt=ca.crt"],
        ),
        case(
            "tls-no-key",
            tls("no-key"),
            "SecretsReady",
            "KeyMissing",
            &["key \"tls.key\" not found in secret \"no-key\""],
        ),
        case("no-pem", tls("no-pem"), "TLSReady", "NotPEM", &["Secret no-pem, tls.crt", "remedy: "]),
        case("mixed", tls("mixed"), "TLSReady", "KeyDoesNotMatch", &["Secret mixed", "remedy: "]),
        case(
            "wrong-name",
            tls("wrong-name"),
            "TLSReady",
            "NameMismatch",
            &[handshake, "is valid for", &format!("not wrong-name.{ns}.svc.cluster.local"), "subjectAltName"],
        ),
        case(
            "other",
            tls("no-ca"),
            "TLSReady",
            "UnknownAuthority",
            &["transport: authentication handshake failed: x509: certificate signed by unknown authority", "ca.crt"],
        ),
        case("expired", tls("expired"), "TLSReady", "Expired", &["x509: certificate has expired or is not yet valid"]),
        case(
            "keys-missing",
            json!({"provider": "CLAUDEAI", "apiKeys": {"name": "nokeys"}}),
            "SecretsReady",
            "SecretMissing",
            &["spec.apiKeys", "--from-literal=ANTHROPIC_API_KEY="],
        ),
        case(
            "keys-wrong",
            json!({"provider": "CLAUDEAI", "apiKeys": {"name": "openai-only"}}),
            "ProviderReady",
            "ApiKeyMissing",
            &["provider CLAUDEAI needs ANTHROPIC_API_KEY", "it has OPENAI_API_KEY", "patch secret openai-only"],
        ),
        case(
            "keys-none",
            json!({"provider": "GOOGLEAI"}),
            "ProviderReady",
            "NoApiKeys",
            &["needs GOOGLEAI_API_KEY", "spec.apiKeys"],
        ),
        case(
            "no-api",
            json!({"provider": "DEVIN"}),
            "ProviderReady",
            "NotSupported",
            &["LLM provider 'DEVIN' not supported", "remedy: "],
        ),
        case(
            "env",
            json!({"provider": "BUILTIN", "extraEnv": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "noenv", "key": "k"}}}]}),
            "SecretsReady",
            "SecretMissing",
            &["spec.extraEnv[A]"],
        ),
        case(
            "map",
            json!({"provider": "BUILTIN", "extraEnv": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "nomap", "key": "k"}}}]}),
            "SecretsReady",
            "ConfigMapMissing",
            &["ConfigMap nomap", "create configmap nomap"],
        ),
        case(
            "pull",
            json!({"provider": "BUILTIN", "imagePullSecrets": [{"name": "nopull"}]}),
            "SecretsReady",
            "SecretMissing",
            &["spec.imagePullSecrets", "create secret docker-registry nopull"],
        ),
        case(
            "mcp",
            json!({"provider": "BUILTIN", "mcp": {"enabled": true, "existingConfigMap": "nomcp"}}),
            "SecretsReady",
            "ConfigMapMissing",
            &["spec.mcp.existingConfigMap"],
        ),
        case(
            "plugins",
            json!({"provider": "BUILTIN", "plugins": {"pvcName": "novolume"}}),
            "SecretsReady",
            "PersistentVolumeClaimMissing",
            &["spec.plugins.pvcName"],
        ),
        case(
            "namespace",
            json!({"provider": "BUILTIN", "watcher": {"enabled": true, "targets": [{"name": "api", "namespace": "no-such-namespace"}]}}),
            "Valid",
            "NamespaceMissing",
            &["no-such-namespace", "spec.watcher"],
        ),
        case(
            "quantity",
            json!({"provider": "BUILTIN", "resources": {"requests": {"example.com/gpu": "0.5"}, "limits": {"example.com/gpu": "0.5"}}}),
            "Valid",
            "Refused",
            &["Deployment", "example.com/gpu", "edit instance quantity"],
        ),
        case(
            "priority",
            json!({"provider": "BUILTIN", "scheduling": {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]}}),
            "Valid",
            "Refused",
            &["maxSkew"],
        ),
    ]
}

#[tokio::test]
async fn every_wrong_thing_is_named_with_its_remedy_and_the_other_instances_go_on() {
    let Some(mut world) = world().await else { return };
    world.start().await;
    wrong_secrets(&world).await;
    let cases = cases(&world.ns.name);
    for case in &cases {
        world.instance(case.name, case.spec.clone()).await;
    }
    world.secrets("good").await;
    world.instance("good", cookbook(&world.watched.name)).await;
    let mut missed = Vec::new();
    for case in &cases {
        let text = world.condition(case.name, case.condition, "False", case.reason).await;
        missed.extend(
            case.says
                .iter()
                .filter(|says| !text.contains(*says))
                .map(|says| format!("{}: {says:?} is not in: {text}", case.name)),
        );
        let available = world.get::<Instance>(case.name).await.and_then(|i| super::of_type(&i, "Available")).unwrap();
        if available.status != "False" || available.message.is_empty() {
            missed.push(format!("{}: Available is {available:?}", case.name));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    for condition in ["SecretsReady", "TLSReady", "Valid"] {
        let reason = match condition {
            "SecretsReady" => "AllThere",
            "TLSReady" => "CertificateValid",
            _ => "Accepted",
        };
        world.condition("good", condition, "True", reason).await;
    }
    world.there::<k8s_openapi::api::apps::v1::StatefulSet>("good").await;
    for name in cases.iter().map(|case| case.name).chain(["good"]) {
        world.api::<Instance>().delete(name, &DeleteParams::default()).await.unwrap();
    }
    until("all are gone", async || world.get::<Instance>("namespace").await.is_none().then_some(())).await;
    until("the good one is gone", async || world.get::<Instance>("good").await.is_none().then_some(())).await;
    world.stop().await;
}
