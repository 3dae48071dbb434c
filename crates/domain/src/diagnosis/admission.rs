//! Why the API server refuses the pods of a workload, read from its own words.
//!
//! The message names what refuses (quota, limit range, Pod Security, webhook, policy) but seldom the field; that comes from
//! the pod template. What the message leaves open, such as the name of the LimitRange, comes from what was found around the
//! workload.

use api::shared::{CauseClass, ObjectRef};
use k8s_openapi::api::core::v1::PodSpec;

use super::reference::{of_missing, read};
use super::{Conclusion, Evidence, cause, fact, ruled_out};
use crate::detection::Rule;

/// Most of a message that a sentence repeats.
const SAID: usize = 220;

pub(super) fn explain(evidence: &Evidence) -> Conclusion {
    let message = evidence.symptom.value.trim_end_matches('.').to_owned();
    if let Some(missing) = read(&message) {
        return of_missing(evidence, &missing);
    }
    let reason = message.rsplit("is forbidden: ").next().unwrap_or(&message).trim();
    let conclusion = of_quota(evidence, reason)
        .or_else(|| of_demand(evidence, reason))
        .or_else(|| of_security(evidence, reason))
        .or_else(|| of_class(evidence, reason))
        .or_else(|| of_silent_webhook(evidence, &message))
        .or_else(|| of_denial(evidence, &message))
        .or_else(|| of_range(evidence, reason))
        .or_else(|| of_invalid(evidence, &message));
    conclusion.unwrap_or_else(|| plain(evidence, reason))
}

fn clip(text: &str) -> String {
    if text.chars().count() <= SAID {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(SAID).collect::<String>().trim_end_matches([' ', ':', ';', ',', '(']))
}

fn conclude(mut cause: api::shared::RootCause, advice: String) -> Conclusion {
    cause.ruled_out.push(ruled_out("Pods that start and fail", "the API server does not create them"));
    Conclusion { cause, candidates: Vec::new(), recommendations: vec![advice], log_lines: Vec::new() }
}

fn plain(evidence: &Evidence, reason: &str) -> Conclusion {
    let statement = format!("New pods of {} are refused: {}", evidence.who(), clip(reason));
    conclude(
        cause(evidence, CauseClass::AdmissionRefused, None, None, statement, 0.7),
        "Change the pod template so that it meets the rule, or change the rule.".into(),
    )
}

fn here(evidence: &Evidence, kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: Some("v1".into()),
        kind: kind.into(),
        namespace: evidence.view.workload.namespace.clone(),
        name: name.into(),
        uid: None,
    }
}

/// Text between two others.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?.1.split_once(to).map(|(inside, _)| inside)
}

/// `key=amount,…` of a part of a quota's message, up to the next part.
pub(crate) fn amounts<'a>(text: &'a str, part: &str) -> Vec<(&'a str, &'a str)> {
    let Some((_, rest)) = text.split_once(part) else { return Vec::new() };
    let end = rest.find(", ").unwrap_or(rest.len());
    rest.get(..end).unwrap_or(rest).split(',').filter_map(|pair| pair.trim().split_once('=')).collect()
}

fn of_quota(evidence: &Evidence, reason: &str) -> Option<Conclusion> {
    let rest = reason.split_once("exceeded quota: ")?.1;
    let name = rest.split(',').next().unwrap_or_default().trim();
    let (requested, used, limited) =
        (amounts(rest, "requested: "), amounts(rest, "used: "), amounts(rest, "limited: "));
    let of = |list: &[(&str, &str)], key: &str| {
        list.iter().find(|(known, _)| *known == key).map_or_else(|| "?".to_owned(), |(_, amount)| (*amount).to_owned())
    };
    let shown: Vec<String> = limited
        .iter()
        .take(3)
        .map(|(key, hard)| format!("{key} {} more requested, {} of {hard} used", of(&requested, key), of(&used, key)))
        .collect();
    let detail = if shown.is_empty() { clip(rest) } else { shown.join("; ") };
    let statement =
        format!("New pods of {} are refused: exceeded quota: ResourceQuota {name} ({detail})", evidence.who());
    let mut cause = cause(evidence, CauseClass::AdmissionRefused, None, None, statement, 0.95);
    let object = here(evidence, "ResourceQuota", name);
    cause.proof.push(fact(&object, "spec.hard", rest, "the quota is used up"));
    cause.object = object;
    cause.path = Some(limited.first().map_or_else(|| "spec.hard".to_owned(), |(key, _)| format!("spec.hard.{key}")));
    cause.value = rest.split_once("limited: ").map(|(_, limited)| limited.to_owned());
    Some(conclude(cause, format!("Raise the quota {name}, or lower what {} requests.", evidence.who())))
}

/// A quota that wants every container to say what it needs.
fn of_demand(evidence: &Evidence, reason: &str) -> Option<Conclusion> {
    let rest = reason.split_once("failed quota: ")?.1;
    let (name, demand) = rest.split_once(": ")?;
    let demand = demand.strip_prefix("must specify ").unwrap_or(demand);
    let statement = format!(
        "New pods of {} are refused: ResourceQuota {name} demands {} of every container, and the template does not set it",
        evidence.who(),
        clip(demand)
    );
    let first = demand.split([' ', ';', ',', ':']).next().unwrap_or_default();
    let container = between(demand, "for: ", ";").or_else(|| demand.split_once("for: ").map(|(_, names)| names));
    let container = container.and_then(|names| names.split(',').next()).unwrap_or_default().trim();
    let (field, resource) = first.split_once('.').unwrap_or(("requests", first));
    let path = evidence.container_path(container).map(|base| format!("{base}.resources.{field}.{resource}"));
    let mut cause = cause(evidence, CauseClass::AdmissionRefused, path, Some("(absent)".into()), statement, 0.9);
    cause.proof.push(fact(
        &here(evidence, "ResourceQuota", name),
        "spec.hard",
        demand,
        "the quota demands this of every container",
    ));
    let advice = format!(
        "Set {first} for every container of {}, or give the namespace a LimitRange with a default.",
        evidence.who()
    );
    Some(conclude(cause, advice))
}

fn of_security(evidence: &Evidence, reason: &str) -> Option<Conclusion> {
    let rest = reason.split_once("violates PodSecurity ")?.1;
    let (level, violations) = rest.split_once(": ")?;
    let level = level.trim_matches('"').split(':').next().unwrap_or_default();
    let breach = evidence
        .spec()
        .and_then(|(spec, prefix)| Some((crate::graph::rules::breach(spec, level == "restricted")?, prefix)));
    let (path, value, words) = match &breach {
        Some((breach, prefix)) => {
            let more = if breach.more > 0 { format!(" (and {} more)", breach.more) } else { String::new() };
            (format!("{prefix}.{}", breach.path), breach.value.clone(), format!("{}{more}", breach.words))
        }
        None => ("spec.template.spec.securityContext".to_owned(), String::new(), clip(violations)),
    };
    let space = evidence.view.workload.namespace.clone().unwrap_or_default();
    let statement = format!(
        "New pods of {} are refused: the template violates PodSecurity {level} of Namespace {space}: {words}",
        evidence.who()
    );
    let mut cause = cause(evidence, CauseClass::AdmissionRefused, Some(path), Some(value), statement, 0.95);
    let object = ObjectRef { namespace: None, ..here(evidence, "Namespace", &space) };
    let label = "metadata.labels[pod-security.kubernetes.io/enforce]";
    cause.proof.push(fact(&object, label, level, "the namespace enforces this level"));
    cause.proof.push(fact(
        &evidence.view.workload,
        "spec.template.spec",
        &clip(violations),
        "the API server names all that is missing",
    ));
    Some(conclude(cause, "Give the pods the security context that the namespace demands.".into()))
}

/// A class that does not exist, in the words of the admission plugins.
fn of_class(evidence: &Evidence, reason: &str) -> Option<Conclusion> {
    let priority = between(reason, "no PriorityClass with name ", " was found");
    let runtime = between(reason, "RuntimeClass \"", "\" not found");
    let (kind, version, field, name) = match (priority, runtime) {
        (Some(name), _) => ("PriorityClass", "scheduling.k8s.io/v1", "priorityClassName", name),
        (None, Some(name)) => ("RuntimeClass", "node.k8s.io/v1", "runtimeClassName", name),
        (None, None) => return None,
    };
    let near = evidence
        .names
        .get(kind)
        .and_then(|names| crate::graph::nearest(name, names.iter().map(String::as_str)))
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    let statement = format!(
        "New pods of {} are refused: {field} refers to {kind} {name}, which does not exist{near}",
        evidence.who()
    );
    let path = evidence.spec().map(|(_, prefix)| format!("{prefix}.{field}"));
    let mut cause = cause(evidence, CauseClass::MissingReference, path, Some(name.into()), statement, 0.95);
    let missing = ObjectRef { api_version: Some(version.into()), namespace: None, ..here(evidence, kind, name) };
    cause.proof.push(fact(&missing, "metadata.name", "(absent)", "no such class exists"));
    Some(conclude(cause, format!("Let {field} name a {kind} that exists, or create {kind} {name}.")))
}

/// A webhook that should be asked and does not answer.
fn of_silent_webhook(evidence: &Evidence, message: &str) -> Option<Conclusion> {
    let rest = message.split_once("failed calling webhook \"")?.1;
    let (hook, why) = rest.split_once('"')?;
    // The configuration that the webhook stands in was found around the workload.
    let known =
        evidence.suspects.iter().find(|s| s.rule == Rule::AdmissionBlocked && s.words.iter().any(|word| word == hook));
    if let Some(known) = known {
        let mut cause = known.cause.clone();
        cause.statement = format!("New pods of {} are refused: {}", evidence.who(), known.cause.statement);
        let said = evidence.symptom.evidence.iter().map(|o| super::observed(o, "this is the symptom"));
        cause.proof = said.chain(cause.proof).collect();
        let advice = known.recommendations.first().cloned().unwrap_or_default();
        return Some(conclude(cause, advice));
    }
    let why = why.trim_start_matches([':', ' ']).trim_start_matches("failed to call webhook: ");
    let service = between(why, "service \"", "\"").map(str::to_owned).or_else(|| {
        let host = between(why, "https://", "/")?;
        let host = host.split(':').next().unwrap_or(host);
        host.strip_suffix(".svc")
            .or(host.split_once(".svc.").map(|(h, _)| h))
            .and_then(|h| h.split('.').next())
            .map(str::to_owned)
    });
    let space = between(why, "https://", "/")
        .and_then(|host| host.split(':').next())
        .and_then(|host| host.split('.').nth(1))
        .map(str::to_owned);
    let trouble = why.rsplit("\": ").next().unwrap_or(why);
    let statement = format!(
        "New pods of {} are refused: webhook {hook} does not answer{}: {}",
        evidence.who(),
        service.as_ref().map(|s| format!(" (Service {s})")).unwrap_or_default(),
        clip(trouble)
    );
    let mut cause = cause(
        evidence,
        CauseClass::WebhookUnavailable,
        Some("webhooks.clientConfig".into()),
        Some(hook.into()),
        statement,
        0.85,
    );
    if let Some(service) = service {
        let object = ObjectRef {
            namespace: space.or(evidence.view.workload.namespace.clone()),
            ..here(evidence, "Service", &service)
        };
        cause.proof.push(fact(&object, "status", trouble, "the API server asks here and gets no answer"));
        cause.object = object;
    }
    Some(conclude(cause, format!("Bring back what answers for webhook {hook}; pods are refused until then.")))
}

/// A webhook or a policy that says no.
fn of_denial(evidence: &Evidence, message: &str) -> Option<Conclusion> {
    let (kind, name, why) = if let Some((_, rest)) = message.split_once("admission webhook \"") {
        let (hook, rest) = rest.split_once("\" denied the request")?;
        ("admission webhook", hook, rest.trim_start_matches([':', ' ']))
    } else {
        let rest = message.split_once("ValidatingAdmissionPolicy '")?.1;
        let (policy, rest) = rest.split_once('\'')?;
        ("ValidatingAdmissionPolicy", policy, rest.split_once("denied request: ").map_or(rest, |(_, why)| why))
    };
    let why = if why.is_empty() { "it gives no reason" } else { why };
    let statement = format!("New pods of {} are denied by {kind} {name}: {}", evidence.who(), clip(why));
    let path = evidence.spec().map(|(_, prefix)| prefix.to_owned());
    let mut cause = cause(evidence, CauseClass::AdmissionRefused, path, Some(name.into()), statement, 0.85);
    let workload = evidence.view.workload.clone();
    cause.proof.push(fact(&workload, "spec.template.spec", &clip(why), "the rule does not accept this template"));
    Some(conclude(
        cause,
        format!("Change the template of {} so that {name} accepts it, or change that rule.", evidence.who()),
    ))
}

/// A LimitRange: `maximum cpu usage per Container is 500m, but limit is 1`.
fn of_range(evidence: &Evidence, reason: &str) -> Option<Conclusion> {
    let first = reason.trim_start_matches('[');
    let first = first.split(", m").next().unwrap_or(first).trim_end_matches(']');
    let mut words = first.split_whitespace();
    let (bound, resource) = (words.next()?, words.next()?);
    if !first.contains(" per ") || !matches!(bound, "maximum" | "minimum" | "memory" | "cpu") {
        return None;
    }
    let resource = if matches!(bound, "maximum" | "minimum") { resource } else { bound };
    let per = first.split_once(" per ")?.1.split_whitespace().next().unwrap_or_default();
    let field = if first.contains("request is") { "requests" } else { "limits" };
    let path = evidence
        .spec()
        .map(|(spec, prefix)| format!("{prefix}.containers[{}].resources.{field}.{resource}", largest(spec, resource)));
    let range = evidence
        .suspects
        .iter()
        .find(|s| s.rule == Rule::AdmissionBlocked && s.cause.proof.iter().any(|p| p.object.kind == "LimitRange"))
        .and_then(|s| s.cause.proof.iter().find(|p| p.object.kind == "LimitRange"));
    let by = range.map_or_else(|| "a LimitRange".to_owned(), |p| format!("LimitRange {}", p.object.name));
    let statement = format!("New pods of {} are refused by {by}: {}", evidence.who(), clip(first));
    let value = first.rsplit(" is ").next().map(str::to_owned);
    let mut cause = cause(evidence, CauseClass::AdmissionRefused, path, value, statement, 0.9);
    cause.proof.extend(range.cloned());
    let advice = format!(
        "Bring {field}.{resource} of every {per} of {} within the bounds of {by}, or change them.",
        evidence.who()
    );
    Some(conclude(cause, advice))
}

/// A pod that the API server finds invalid once defaults are filled in; a LimitRange's default below a request does that.
fn of_invalid(evidence: &Evidence, message: &str) -> Option<Conclusion> {
    let rest = message.split_once(" is invalid: ")?.1.trim_start_matches('[');
    let (field, why) = rest.split_once(": ")?;
    let below = field.strip_prefix("spec.")?;
    let path = evidence.spec().map(|(_, prefix)| format!("{prefix}.{below}"));
    let limit = if why.contains("must be less than or equal to") && why.contains("limit") {
        "; a default limit of a LimitRange counts too"
    } else {
        ""
    };
    let statement = format!("New pods of {} are refused: {below} is invalid: {}{limit}", evidence.who(), clip(why));
    let value = between(why, "Invalid value: ", ":").map(|value| value.trim_matches('"').to_owned());
    let cause = cause(evidence, CauseClass::AdmissionRefused, path, value, statement, 0.85);
    Some(conclude(cause, format!("Correct {below} in the template of {}.", evidence.who())))
}

/// The container that has the most of a resource.
fn largest(spec: &PodSpec, resource: &str) -> usize {
    let amount = |container: &k8s_openapi::api::core::v1::Container| {
        let own = container.resources.as_ref()?;
        let quantity =
            own.limits.as_ref().and_then(|l| l.get(resource)).or_else(|| own.requests.as_ref()?.get(resource))?;
        super::amount::millis(&quantity.0)
    };
    spec.containers.iter().enumerate().max_by_key(|(_, container)| amount(container)).map_or(0, |(at, _)| at)
}
