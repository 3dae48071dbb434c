//! The Secrets and ConfigMaps that an Instance names, and what is wrong with them.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use sha2::{Digest, Sha256};

use super::conditions::Trouble;
use super::config::MCP_FILE;
use super::spec::{TlsOf, View};
use super::words::{Purpose, add_line, config_map_line, create_line};

/// Kind of an object that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
    /// A PersistentVolumeClaim; it has no content to judge.
    Claim,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::Claim => "PersistentVolumeClaim",
        }
    }
}

/// One object that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its kind.
    pub kind: Kind,
    /// Its name, in the Instance's namespace.
    pub name: String,
    /// Keys that must be there and hold something.
    pub keys: Vec<String>,
    /// Field of the Instance that names it.
    pub field: String,
    /// Whether pods wait until it is there.
    pub holds_pods: bool,
    /// Whether a change of it takes new pods; the others are read again while the server runs.
    pub rolls: bool,
    purpose: Purpose,
}

/// What was seen of an object: its content by key.
pub type Seen = Option<BTreeMap<String, ByteString>>;

fn need(kind: Kind, name: &str, keys: &[&str], field: impl Into<String>, purpose: Purpose) -> Need {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    Need { kind, name: name.to_owned(), keys, field: field.into(), holds_pods: true, rolls: false, purpose }
}

/// Everything that an Instance names.
pub fn needs(view: View<'_>) -> Vec<Need> {
    let spec = &view.instance.spec;
    let mut all = Vec::new();
    if !view.makes_token() {
        let token = view.token();
        all.push(need(Kind::Secret, &token.name, &[&token.key], "spec.server.token", Purpose::Random));
    }
    if let Some(jwt) = view.jwt() {
        let field = "spec.server.security.jwtSecretRef";
        all.push(need(Kind::Secret, &jwt.name, &[&jwt.key], field, Purpose::Random));
    }
    if let TlsOf::Given(name) = view.tls() {
        let keys = ["tls.crt", "tls.key"];
        all.push(need(Kind::Secret, name, &keys, "spec.server.tls.secretName", Purpose::Certificate));
    }
    if let Some(keys) = &spec.api_keys {
        let wanted: Vec<&str> = provider_keys(&spec.provider).first().copied().into_iter().collect();
        // Whether the key of the provider is in it is the provider's matter: another variable may stand for it.
        let keys = need(Kind::Secret, &keys.name, &wanted, "spec.apiKeys", Purpose::ApiKey);
        all.push(Need { rolls: true, ..keys });
    }
    for env in &spec.extra_env {
        let Some(from) = &env.value_from else { continue };
        let field = format!("spec.extraEnv[{}]", env.name);
        if let Some(key) = from.secret_key_ref.as_ref() {
            let one = need(Kind::Secret, &key.name, &[&key.key], field, Purpose::Other);
            all.push(Need { rolls: true, holds_pods: key.optional != Some(true), ..one });
        } else if let Some(key) = from.config_map_key_ref.as_ref() {
            let one = need(Kind::ConfigMap, &key.name, &[&key.key], field, Purpose::Other);
            all.push(Need { rolls: true, holds_pods: key.optional != Some(true), ..one });
        }
    }
    for secret in &spec.image_pull_secrets {
        let one = need(Kind::Secret, &secret.name, &[".dockerconfigjson"], "spec.imagePullSecrets", Purpose::Registry);
        // A node may have the image already.
        all.push(Need { holds_pods: false, ..one });
    }
    let agents = spec.agents.as_ref();
    let maps = [
        (agents.and_then(|agents| agents.config_map_ref.as_ref()), "spec.agents.configMapRef", None),
        (agents.and_then(|agents| agents.skills_config_map_ref.as_ref()), "spec.agents.skillsConfigMapRef", None),
        (
            spec.mcp.as_ref().filter(|mcp| mcp.enabled).and_then(|mcp| mcp.existing_config_map.as_ref()),
            "spec.mcp.existingConfigMap",
            Some(MCP_FILE),
        ),
    ];
    for (name, field, key) in maps {
        if let Some(name) = name {
            let keys: Vec<&str> = key.into_iter().collect();
            all.push(Need { rolls: true, ..need(Kind::ConfigMap, name, &keys, field, Purpose::Other) });
        }
    }
    if let Some(name) = spec.plugins.as_ref().and_then(|plugins| plugins.pvc_name.as_ref()) {
        all.push(need(Kind::Claim, name, &[], "spec.plugins.pvcName", Purpose::Other));
    }
    all
}

/// Secrets that the operator makes for an Instance.
pub fn own_secrets(view: View<'_>) -> Vec<String> {
    let mut names = Vec::new();
    if view.makes_token() {
        names.push(view.token().name);
    }
    if view.tls() == TlsOf::Own {
        names.extend([view.named("ca"), view.named("tls")]);
    }
    names
}

/// What is wrong with an object that is named.
pub fn judge(view: View<'_>, need: &Need, seen: &Seen) -> Vec<Trouble> {
    let namespace = view.namespace();
    let Need { kind, name, field, purpose, .. } = need;
    let word = kind.word();
    let keys: Vec<&str> = need.keys.iter().map(String::as_str).collect();
    let Some(data) = seen else {
        if !need.holds_pods && *purpose == Purpose::Other {
            return Vec::new();
        }
        let remedy = match kind {
            Kind::Secret => create_line(namespace, name, &keys, *purpose),
            Kind::ConfigMap => config_map_line(namespace, name, &keys),
            Kind::Claim => format!("create it, or name another one: kubectl -n {namespace} get pvc"),
        };
        return vec![Trouble::new(
            format!("{word}Missing"),
            format!("{word} {name} ({field}) does not exist in namespace {namespace}"),
            remedy,
        )];
    };
    if *purpose == Purpose::ApiKey || (!need.holds_pods && *purpose == Purpose::Other) {
        return Vec::new();
    }
    let mut troubles = Vec::new();
    for key in keys {
        let (what, why) = match data.get(key) {
            None => ("KeyMissing", format!("key {key:?} not found in {} {name:?} ({field})", word.to_lowercase())),
            Some(value) if value.0.iter().all(u8::is_ascii_whitespace) => {
                ("KeyEmpty", format!("key {key:?} of {} {name:?} ({field}) is empty", word.to_lowercase()))
            }
            Some(_) => continue,
        };
        let others: Vec<&str> = data.keys().map(String::as_str).take(8).collect();
        let has = if others.is_empty() { "it has no keys".to_owned() } else { format!("it has {}", others.join(", ")) };
        let remedy = match kind {
            Kind::Secret => add_line(namespace, name, key, *purpose),
            _ => format!("add the key: kubectl -n {namespace} edit configmap {name}"),
        };
        troubles.push(Trouble::new(what, format!("{why}; {has}"), remedy));
    }
    troubles
}

/// Keys of a provider, by which it is asked; any of them will do. Empty for one that needs none, or has other ways.
pub(super) fn provider_keys(provider: &str) -> &'static [&'static str] {
    match provider {
        "CLAUDEAI" => &["ANTHROPIC_API_KEY", "ANTHROPIC_OAUTH_TOKEN"],
        "OPENAI" | "OPENAI_ASSISTANT" => &["OPENAI_API_KEY"],
        "GOOGLEAI" => &["GOOGLEAI_API_KEY"],
        "XAI" => &["XAI_API_KEY"],
        "ZAI" => &["ZAI_API_KEY"],
        "MINIMAX" => &["MINIMAX_API_KEY"],
        "MOONSHOT" => &["MOONSHOT_API_KEY"],
        "STACKSPOT" => &["CLIENT_ID"],
        "COPILOT" => &["GITHUB_COPILOT_TOKEN"],
        "GITHUB_MODELS" => &["GITHUB_TOKEN", "GH_TOKEN", "GITHUB_MODELS_TOKEN"],
        "OPENROUTER" => &["OPENROUTER_API_KEY"],
        _ => &[],
    }
}

/// What is wrong with the keys of the provider, as far as the objects tell; what the server says comes on top.
pub(super) fn provider_trouble(view: View<'_>, found: &BTreeMap<(Kind, String), Seen>) -> Option<Trouble> {
    let spec = &view.instance.spec;
    let wanted = provider_keys(&spec.provider);
    let first = wanted.first()?;
    if spec.extra_env.iter().any(|env| wanted.contains(&env.name.as_str())) {
        return None;
    }
    let (namespace, provider) = (view.namespace(), &spec.provider);
    let Some(keys) = &spec.api_keys else {
        let name = "chatcli-api-keys";
        return Some(Trouble::new(
            "NoApiKeys",
            format!("provider {provider} needs {first}, and spec.apiKeys names no Secret"),
            format!(
                "{}; kubectl -n {namespace} patch instance {} --type=merge -p '{{\"spec\":{{\"apiKeys\":{{\"name\":\"{name}\"}}}}}}'",
                create_line(namespace, name, &[first], Purpose::ApiKey),
                view.name()
            ),
        ));
    };
    let name = &keys.name;
    // That the Secret is not there at all is told once, with the Secrets.
    let data = found.get(&(Kind::Secret, name.clone()))?.as_ref()?;
    let there = |key: &&str| data.get(*key).is_some_and(|value| !value.0.iter().all(u8::is_ascii_whitespace));
    if wanted.iter().any(there) {
        return None;
    }
    let others: Vec<&str> = data.keys().map(String::as_str).take(8).collect();
    Some(Trouble::new(
        "ApiKeyMissing",
        format!(
            "provider {provider} needs {first}, and secret {name:?} (spec.apiKeys) does not have it; it has {}",
            if others.is_empty() { "no keys".to_owned() } else { others.join(", ") }
        ),
        add_line(namespace, name, first, Purpose::ApiKey),
    ))
}

/// Hash of what pods take over only when they start. The UID is in it so that equal secrets do not show as equal.
pub fn secret_hash(view: View<'_>, found: &BTreeMap<(Kind, String), Seen>, kind: Kind) -> Option<String> {
    let mut names: Vec<String> =
        needs(view).into_iter().filter(|n| n.rolls && n.kind == kind).map(|n| n.name).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let mut hash = Hash::new(view.uid());
    for name in names {
        hash.add(name.as_bytes());
        for (key, value) in found.get(&(kind, name)).and_then(Option::as_ref).into_iter().flatten() {
            hash.add(key.as_bytes());
            hash.add(&value.0);
        }
    }
    Some(hash.hex())
}

/// SHA-256 of parts that cannot run into each other.
pub(super) struct Hash(Sha256);

impl Hash {
    pub(super) fn new(salt: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.add(salt.as_bytes());
        hash
    }

    pub(super) fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// The first 16 digits.
    pub(super) fn hex(self) -> String {
        use std::fmt::Write;
        self.0.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}
