//! How an Instance is doing, in conditions: what was observed, put into words that say what to do.

use std::fmt;

use api::Instance;

use super::needs::{needs, own_secrets, provider_trouble};
use super::observed::{Observed, ProviderSeen, ServerSeen, Tls};
use super::spec::{TlsOf, View};
use crate::llm::Provider;

/// Most problems that a message spells out.
const SPELT_OUT: usize = 5;

/// Between two things that are said in one message. Commands stand in them, so it is nothing that a shell would take.
const BETWEEN: &str = "; also: ";

/// Something that is wrong, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One CamelCase word.
    pub reason: String,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

impl Trouble {
    /// A trouble.
    pub fn new(reason: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), text: text.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; remedy: {}", self.text, self.remedy)
    }
}

/// A condition; nothing in `holds` says that it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its type.
    pub type_: &'static str,
    /// Whether it holds.
    pub holds: Option<bool>,
    /// One CamelCase word.
    pub reason: String,
    /// A sentence, with the remedy where there is one.
    pub message: String,
}

fn condition(
    type_: &'static str,
    holds: impl Into<Option<bool>>,
    reason: &str,
    message: impl Into<String>,
) -> Condition {
    Condition { type_, holds: holds.into(), reason: reason.to_owned(), message: message.into() }
}

/// All conditions of an Instance.
pub fn conditions(view: View<'_>, seen: &Observed<'_>) -> Vec<Condition> {
    let mut all =
        vec![secrets(view, seen), tls(seen), provider(view, seen), connected(view, seen), watcher(view, seen)];
    let available = available(view, seen, &all);
    all.push(available);
    all.push(valid(view, seen));
    all
}

fn together(troubles: &[Trouble]) -> String {
    let mut texts: Vec<String> = troubles.iter().take(SPELT_OUT).map(ToString::to_string).collect();
    if troubles.len() > SPELT_OUT {
        texts.push(format!("{} more", troubles.len() - SPELT_OUT));
    }
    texts.join(BETWEEN)
}

fn of_troubles(type_: &'static str, troubles: &[Trouble], good: (&str, String)) -> Condition {
    match troubles.first() {
        Some(first) => condition(type_, false, &first.reason, together(troubles)),
        None => condition(type_, true, good.0, good.1),
    }
}

fn secrets(view: View<'_>, seen: &Observed<'_>) -> Condition {
    let mut names: Vec<String> = needs(view).into_iter().map(|need| need.name).chain(own_secrets(view)).collect();
    names.sort();
    names.dedup();
    of_troubles("SecretsReady", &seen.secrets, ("AllThere", format!("all there: {}", names.join(", "))))
}

fn tls(seen: &Observed<'_>) -> Condition {
    match &seen.tls {
        Tls::Off => condition(
            "TLSReady",
            true,
            "Disabled",
            "connections to the server are not encrypted; spec.server.tls.enabled: true encrypts them, and needs nothing else",
        ),
        Tls::Good(text) => condition("TLSReady", true, "CertificateValid", text),
        Tls::Bad(troubles) => of_troubles("TLSReady", troubles, ("CertificateValid", String::new())),
        Tls::Waiting(why) => condition("TLSReady", false, "CertificateMissing", why),
    }
}

fn provider(view: View<'_>, seen: &Observed<'_>) -> Condition {
    let type_ = "ProviderReady";
    let name = view.instance.spec.provider.as_str();
    if name == "BUILTIN" {
        return condition(type_, true, "Rules", "BUILTIN analyses by rules and needs no key");
    }
    if let Some(Err((why, remedy))) = Provider::named(name).map(Provider::wire) {
        let trouble = Trouble::new("NotSupported", format!("LLM provider '{name}' not supported: {why}"), remedy);
        return condition(type_, false, &trouble.reason, trouble.to_string());
    }
    if let Some(trouble) = provider_trouble(view, seen.found) {
        return condition(type_, false, &trouble.reason, trouble.to_string());
    }
    let said: Vec<&ProviderSeen> =
        seen.links.iter().filter_map(|link| link.server.as_ref()?.provider.as_ref()).collect();
    if let Some(bad) = said.iter().find(|provider| !provider.ready) {
        let why = if bad.problem.is_empty() { "it gives no reason" } else { &bad.problem };
        return condition(type_, false, "ProviderFailed", format!("{name}: {why}"));
    }
    match said.first() {
        Some(good) => condition(type_, true, "Configured", format!("{} is asked, model {}", good.name, good.model)),
        None => condition(type_, None, "NotConnected", "no server has said anything about its provider yet"),
    }
}

fn connected(view: View<'_>, seen: &Observed<'_>) -> Condition {
    let type_ = "Connected";
    let wanted = view.instance.spec.replicas;
    if wanted == 0 {
        return condition(type_, false, "ScaledToZero", "spec.replicas is 0: there is no server");
    }
    let up = seen.links.iter().filter(|link| link.connected.is_ok()).count();
    let down: Vec<String> = seen
        .links
        .iter()
        .filter_map(|link| link.connected.as_ref().err().map(|why| format!("{}: {why}", link.name)))
        .take(SPELT_OUT)
        .collect();
    let by_address = view.server().is_some_and(|server| server.address.is_some());
    let wanted = if by_address { 1 } else { wanted };
    if !down.is_empty() {
        let reason = reason_of(&down);
        let advice = match reason {
            "ConnectionRefused" => {
                let (name, namespace) = (view.name(), view.namespace());
                format!("; kubectl get endpoints {name} -n {namespace} must list addresses of pods")
            }
            _ => String::new(),
        };
        let text = format!("{up} of {wanted} servers connected; {}{advice}", down.join(BETWEEN));
        return condition(type_, false, reason, text);
    }
    if (up as i32) < wanted {
        let text = format!("{up} of {wanted} servers connected: the other pods do not run yet");
        return condition(type_, false, "WaitingForPods", text);
    }
    condition(type_, true, "Streaming", format!("the operator has a stream to {up} of {wanted} servers"))
}

/// One word for why a link does not come about.
fn reason_of(texts: &[String]) -> &'static str {
    let any = |words: &str| texts.iter().any(|text| text.contains(words));
    if any("x509:") || any("tls:") || any("handshake") {
        "HandshakeFailed"
    } else if any("connection refused") {
        "ConnectionRefused"
    } else if any("Unauthenticated") || any("authentication failed") {
        "Unauthenticated"
    } else if any("not connected yet") {
        "Connecting"
    } else {
        "NotConnected"
    }
}

fn watcher(view: View<'_>, seen: &Observed<'_>) -> Condition {
    let type_ = "WatcherReady";
    let wanted = view.targets();
    if wanted.is_empty() {
        return condition(type_, true, "Disabled", "spec.watcher.enabled is not true: nothing is watched");
    }
    let servers: Vec<&ServerSeen> = seen.links.iter().filter_map(|link| link.server.as_ref()).collect();
    if servers.is_empty() {
        return condition(type_, None, "NotConnected", "no server has said anything about what it watches yet");
    }
    let Some(active) = servers.iter().find(|server| !server.standby) else {
        return condition(type_, false, "NoActiveReplica", "every replica stands by: none of them has the Lease yet");
    };
    let mut open = Vec::new();
    for target in &wanted {
        let kind = format!("{:?}", target.kind);
        let label = format!("{kind} {}/{}", target.namespace, target.workload());
        let known = active.targets.iter().find(|seen| {
            seen.namespace == target.namespace
                && (seen.name.is_empty() || (seen.kind == kind && seen.name == target.workload()))
        });
        match known {
            Some(seen) if !seen.problem.is_empty() => open.push(format!("{label}: {}", seen.problem)),
            Some(seen) if seen.looked_at => {}
            Some(_) => open.push(format!("{label}: its first full look is under way")),
            None => open.push(format!("{label}: the server does not watch it yet")),
        }
    }
    let (done, all) = (wanted.len() - open.len(), wanted.len());
    if open.is_empty() {
        return condition(type_, true, "AllLookedAt", format!("all {all} targets were looked at"));
    }
    let more = if open.len() > SPELT_OUT { format!("; also: {} more", open.len() - SPELT_OUT) } else { String::new() };
    open.truncate(SPELT_OUT);
    condition(
        type_,
        false,
        "TargetsPending",
        format!("{done} of {all} targets are watched; {}{more}", open.join(BETWEEN)),
    )
}

fn available(view: View<'_>, seen: &Observed<'_>, others: &[Condition]) -> Condition {
    let type_ = "Available";
    let wanted = view.instance.spec.replicas;
    if wanted == 0 {
        return condition(type_, false, "ScaledToZero", "spec.replicas is 0: there is no server");
    }
    // A volume that keeps its size does not keep anybody from working.
    let refused: Vec<Trouble> =
        seen.refused.iter().filter(|t| !t.reason.starts_with("VolumeCannot")).cloned().collect();
    if let Some(first) = refused.first() {
        return condition(type_, false, &first.reason, together(&refused));
    }
    let mut wrong: Vec<(&str, String)> = Vec::new();
    for other in others {
        // A link to pods that do not run fails because of the pods.
        let follows = seen.pods.ready < wanted && matches!(other.reason.as_str(), "WaitingForPods" | "NotConnected");
        if other.holds != Some(true) && !follows {
            let says = if other.holds.is_none() { "is not known" } else { "does not hold" };
            let reason = match other.type_ {
                "SecretsReady" => "SecretsNotReady",
                "TLSReady" => "TLSNotReady",
                "ProviderReady" => "ProviderNotReady",
                "Connected" => "NotConnected",
                _ => "WatcherNotReady",
            };
            wrong.push((reason, format!("{} {says}: {}", other.type_, other.message)));
        }
    }
    let replicas = format!("{}/{wanted} replicas ready", seen.pods.ready);
    if seen.pods.ready < wanted {
        let why = seen.pods.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        // What keeps the pods from starting comes first.
        let place = usize::from(wrong.first().is_some_and(|(reason, _)| *reason == "SecretsNotReady"));
        wrong.insert(place, ("DeploymentNotReady", format!("{replicas}{why}")));
    }
    match wrong.first() {
        None => condition(type_, true, "DeploymentReady", "All replicas are ready"),
        Some((reason, _)) => {
            let texts: Vec<&str> = wrong.iter().map(|(_, text)| text.as_str()).collect();
            condition(type_, false, reason, texts.join(BETWEEN))
        }
    }
}

/// Fields that are accepted and do nothing, each with why.
fn without_effect(view: View<'_>) -> Vec<String> {
    let spec = &view.instance.spec;
    let mut notes = Vec::new();
    if spec.agents.is_some() {
        notes.push(
            "spec.agents: the ConfigMaps are mounted; analyses of this version do not use agents and skills".to_owned(),
        );
    }
    if spec.plugins.is_some() {
        notes.push("spec.plugins: they are mounted; analyses of this version do not run plugins".to_owned());
    }
    if spec.mcp.as_ref().is_some_and(|mcp| mcp.enabled) {
        notes.push("spec.mcp: its file is mounted; analyses of this version do not call MCP servers".to_owned());
    }
    let tls = view.server().and_then(|server| server.tls.as_ref());
    if tls.is_some_and(|tls| tls.enabled != Some(true) && tls.secret_name.is_some()) {
        notes.push("spec.server.tls.secretName: it is not used while spec.server.tls.enabled is not true".to_owned());
    }
    if view.tls() == TlsOf::Off && view.server().is_some_and(|server| server.server_name.is_some()) {
        notes.push("spec.server.serverName: it is not checked without TLS".to_owned());
    }
    if spec
        .watcher
        .as_ref()
        .is_some_and(|w| w.enabled != Some(true) && (!w.targets.is_empty() || w.deployment.is_some()))
    {
        notes.push("spec.watcher: nothing is watched while spec.watcher.enabled is not true".to_owned());
    }
    let idle = |t: &api::instance::WatchTarget| {
        let port = t.metrics_port.is_some_and(|port| port > 0);
        !port && (t.metrics_path.is_some() || !t.metrics_filter.is_empty())
    };
    if spec.watcher.as_ref().is_some_and(|watcher| watcher.targets.iter().any(idle)) {
        notes.push(
            "spec.watcher.targets[].metricsPath, metricsFilter: they are not used without metricsPort".to_owned(),
        );
    }
    if let Some(bind) = view.security().and_then(|security| security.bind_address.as_deref())
        && (bind == "localhost" || bind == "::1" || bind.starts_with("127."))
    {
        notes.push(format!(
            "spec.server.security.bindAddress: at {bind} neither the operator nor probes reach the pods; remedy: leave it out"
        ));
    }
    let fixed = [
        "POD_NAME",
        "POD_NAMESPACE",
        "CHATCLI_INSTANCE",
        "CHATCLI_SERVER_TOKEN_FILE",
        "CHATCLI_JWT_SECRET_FILE",
        "CHATCLI_TLS_REQUIRED",
    ];
    for env in spec.extra_env.iter().filter(|env| fixed.contains(&env.name.as_str())) {
        notes.push(format!("spec.extraEnv[{}]: the operator sets it, from other fields of the spec", env.name));
    }
    if let Some(aiops) = &spec.aiops {
        if aiops.agentic_max_steps != 10 {
            notes.push("spec.aiops.agenticMaxSteps: no plan of this version is decided step by step".to_owned());
        }
        if aiops.resolution_cooldown_minutes != 0 {
            notes.push("spec.aiops.resolutionCooldownMinutes: a fault that comes back after its Issue was resolved raises a new Issue at once, whatever the time between".to_owned());
        }
        if aiops.dedup_ttl_minutes != 30 {
            notes.push(
                "spec.aiops.dedupTTLMinutes: an alert is told once for as long as it is open, without a time limit"
                    .to_owned(),
            );
        }
    }
    notes
}

fn valid(view: View<'_>, seen: &Observed<'_>) -> Condition {
    if let Some(first) = seen.refused.first() {
        return condition("Valid", false, &first.reason, together(&seen.refused));
    }
    let notes = without_effect(view);
    if notes.is_empty() {
        return condition("Valid", true, "Accepted", "every field of the spec has its effect");
    }
    condition("Valid", true, "FieldsWithoutEffect", notes.join(BETWEEN))
}

/// What is said when no Instance can be used, with where to look; nothing when there is one.
pub fn no_ready_instance<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Option<String> {
    let mut why = Vec::new();
    for instance in instances {
        let status = instance.status.as_ref();
        if status.is_some_and(|status| status.ready) {
            return None;
        }
        let view = View::of(instance);
        let available =
            status.and_then(|status| status.conditions.iter().find(|condition| condition.type_ == "Available"));
        let said = available.map_or("not looked at yet", |condition| condition.message.as_str());
        why.push(format!("{}/{}: {said}", view.namespace(), view.name()));
    }
    if why.is_empty() {
        return Some(
            "no ready Instance found: there is none in any namespace; remedy: apply one, as in section 2 of the cookbook"
                .to_owned(),
        );
    }
    let count = why.len();
    why.truncate(SPELT_OUT);
    Some(format!(
        "no ready Instance found: {count} there, none of them Available; {}; look: kubectl get instances -A, kubectl describe instance",
        why.join(BETWEEN)
    ))
}
