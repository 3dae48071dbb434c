//! Which fault that is known already a new symptom follows from: so that several workloads that one fault stops are one
//! incident from the beginning, before any of them is explained.
//!
//! A symptom follows from a fault that was told before, if such a fault can show like this; and from one that was not told,
//! or that the graph only suspects, if the platform's own message speaks of it. Whatever the message leaves open stays
//! apart: two incidents of one fault are better than one incident of two.

use api::shared::{CauseClass, ObjectRef};
use jiff::{SignedDuration, Timestamp};

use super::log::{Family, told};
use super::suspects::{possible, spoken, turned};
use super::{changes, image, reference};
use crate::detection::{Rule, Symptom, WorkloadView};
use crate::graph::{Finding, same};

/// The object at fault that the symptom of a workload follows from; none when nothing shows that it is another one than the
/// workload. The findings are those that concern the workload, each with whether it was told; `rolled` says whether a new
/// revision changed its pods a moment before.
pub fn follows(
    symptom: &Symptom,
    workload: &ObjectRef,
    rolled: bool,
    findings: &[(&Finding, bool)],
) -> Option<ObjectRef> {
    let fitting = || findings.iter().filter(|(finding, _)| shows_as(finding.cause.class, symptom.rule));
    if let Some((finding, _)) = fitting().find(|(_, told)| *told) {
        return Some(finding.cause.object.clone());
    }
    if let Some(quota) = quota(symptom) {
        let namespace = workload.namespace.clone();
        let version = Some("v1".to_owned());
        return Some(ObjectRef {
            api_version: version,
            kind: "ResourceQuota".into(),
            namespace,
            name: quota,
            uid: None,
        });
    }
    if let Some(host) = registry(symptom) {
        return Some(ObjectRef { kind: "Registry".into(), name: host, ..ObjectRef::default() });
    }
    let other =
        |finding: &Finding| !same(&finding.cause.object, workload) && !same(&finding.cause.object, &symptom.root);
    let heard = |finding: &Finding| match finding.cause.class {
        CauseClass::MissingReference => lacks(symptom, &finding.cause.object),
        _ => {
            spoken(finding, symptom, workload)
                || shared(symptom, finding)
                || (!rolled && needs(symptom, finding))
                || (!rolled && refused(symptom, finding))
        }
    };
    let mut named = fitting().map(|(finding, _)| *finding).filter(|finding| other(finding) && heard(finding));
    let first = named.next()?;
    named.all(|next| same(&next.cause.object, &first.cause.object)).then(|| first.cause.object.clone())
}

/// Whether a fault of a class can show as a symptom of a rule.
fn shows_as(class: CauseClass, rule: Rule) -> bool {
    use CauseClass as Class;
    let admission = matches!(class, Class::AdmissionRefused | Class::WebhookUnavailable);
    let image = matches!(class, Class::ImageNotFound | Class::ImageUnauthorized | Class::RegistryUnreachable);
    let placing = matches!(class, Class::InsufficientResources | Class::UnsatisfiableConstraints);
    match rule {
        Rule::ImagePull => image,
        Rule::Unschedulable => {
            placing || matches!(class, Class::StorageUnavailable | Class::MissingReference | Class::NodeFault)
        }
        Rule::Refused => admission || class == Class::MissingReference,
        Rule::MissingReference | Rule::SetupFailing => {
            matches!(class, Class::MissingReference | Class::StorageUnavailable)
        }
        Rule::StartError => matches!(class, Class::MissingReference | Class::BadConfiguration),
        Rule::OutOfMemory => matches!(class, Class::OutOfMemory | Class::BadConfiguration),
        // Pods that are there and do not serve.
        Rule::CrashLoop | Rule::NotReady | Rule::ReadinessFailing | Rule::LivenessFailing => {
            possible(class) && !admission && !image && !placing && class != Class::DisruptionBlocked
        }
        Rule::JobFailed => (possible(class) || class == Class::JobMisconfigured) && !admission && !image,
        _ => possible(class),
    }
}

/// The quota that the API server says is used up.
fn quota(symptom: &Symptom) -> Option<String> {
    let said = symptom.value.split_once("exceeded quota: ").filter(|_| symptom.rule == Rule::Refused)?.1;
    let name = said.split(',').next().unwrap_or_default().trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The registry that cannot be reached: whoever pulls from it fails alike.
fn registry(symptom: &Symptom) -> Option<String> {
    let seen: Vec<&str> = symptom.evidence.iter().map(|seen| seen.detail.as_str()).collect();
    let unreachable = image::class(&seen.join(" "), &symptom.value) == CauseClass::RegistryUnreachable;
    let (first, _) = symptom.value.split_once('/').unwrap_or(("", ""));
    let host = if first.contains(['.', ':']) || first == "localhost" { first } else { "docker.io" };
    (symptom.rule == Rule::ImagePull && unreachable).then(|| host.to_owned())
}

/// Kind and name of the object that the platform says is missing.
pub fn missing_object(symptom: &Symptom) -> Option<(&'static str, String)> {
    if !matches!(symptom.rule, Rule::MissingReference | Rule::SetupFailing) {
        return None;
    }
    let seen = symptom.evidence.iter().map(|seen| seen.detail.as_str()).chain([symptom.value.as_str()]);
    seen.filter_map(reference::read).find_map(reference::Missing::object)
}

/// The webhook that the API server asked before it made a pod, and that did not answer.
pub fn silent_webhook(symptom: &Symptom) -> Option<&str> {
    let rest = symptom.value.split_once("failed calling webhook \"").filter(|_| symptom.rule == Rule::Refused)?.1;
    rest.split_once('"').map(|(hook, _)| hook)
}

/// Whether the message says that this object, or a key of it, is missing.
fn lacks(symptom: &Symptom, object: &ObjectRef) -> bool {
    let seen = symptom.evidence.iter().map(|seen| seen.detail.as_str()).chain([symptom.value.as_str()]);
    seen.filter_map(reference::read).any(|missing| missing.is(&object.kind, &object.name))
}

/// Whether what a process needs is down: it worked with it before.
fn needs(symptom: &Symptom, finding: &Finding) -> bool {
    let stops =
        matches!(symptom.rule, Rule::CrashLoop | Rule::NotReady | Rule::ReadinessFailing | Rule::LivenessFailing);
    let down = finding.cause.path.as_deref() == Some(DOWN);
    stops && down && finding.cause.class == CauseClass::DependencyUnavailable
}

/// Whether a process is refused since what it needs was changed.
fn refused(symptom: &Symptom, finding: &Finding) -> bool {
    use Rule::{CrashLoop, LivenessFailing, NotReady, ReadinessFailing};
    let stops = matches!(symptom.rule, CrashLoop | NotReady | ReadinessFailing | LivenessFailing);
    let Some(changed) = turned(finding).filter(|_| stops) else { return false };
    let last = symptom.evidence.iter().filter_map(|seen| seen.time).chain([symptom.since]).max();
    let seen = symptom.evidence.iter().map(|seen| seen.detail.as_str()).chain([symptom.value.as_str()]);
    let says = |text: &str| told(text).and_then(|told| told.family) == Some(Family::Refused);
    last.is_some_and(|last| last.duration_since(changed) >= -SLACK) && seen.into_iter().any(says)
}

/// A fault of something that several workloads share, whose kind the message tells and whose name it does not.
fn shared(symptom: &Symptom, finding: &Finding) -> bool {
    let says = |text: &str| symptom.value.contains(text);
    match (symptom.rule, finding.cause.object.kind.as_str()) {
        (Rule::OutOfMemory, "LimitRange") => finding.concerns.len() > 1,
        (Rule::Refused, "Namespace") => says("violates PodSecurity"),
        (Rule::Refused, "LimitRange") => says(" per Container") || says(" per Pod"),
        (Rule::Refused, "ResourceQuota") => says("failed quota: "),
        (Rule::Unschedulable, _) => {
            finding.cause.class == CauseClass::StorageUnavailable
                && (says("unbound immediate PersistentVolumeClaims") || says("persistentvolumeclaim"))
        }
        (Rule::ImagePull, "Secret") => ["unauthorized", "denied", "authorization failed", "forbidden", "401", "403"]
            .iter()
            .any(|text| symptom.value.to_ascii_lowercase().contains(text)),
        _ => false,
    }
}

/// The field that says that a workload has no ready pod.
pub(crate) const DOWN: &str = "status.readyReplicas";
/// How long after a change pods may begin to fail over it: somebody restarts them, or they read it again.
const AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Clocks of nodes and of managers differ, and times have whole seconds.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// A ConfigMap that a workload and others refer to, and that was changed.
#[derive(Clone, Debug)]
pub struct SharedMap {
    /// The ConfigMap.
    pub object: ObjectRef,
    /// When its data changed.
    pub changed: Timestamp,
    /// How many workloads refer to it.
    pub users: usize,
}

/// Whether a new revision changed the pods of a workload a moment before a symptom; one that only restarts them has the
/// same spec, and what is there for the first time has no other.
pub fn rolled(symptom: &Symptom, view: &WorkloadView) -> bool {
    view.current_revision().is_some_and(|now| {
        let new = now.created.is_none_or(|created| symptom.since.duration_since(created) < AFTER);
        let before = view.previous_revision(now.number).filter(|_| new);
        before.is_some_and(|before| !changes(&before.template, &now.template).is_empty())
    })
}

/// The shared ConfigMap over whose change a workload began to fail, where the workload itself was not changed: the others
/// that refer to it will most likely fail alike.
pub fn shared_change(symptom: &Symptom, view: &WorkloadView, maps: &[SharedMap]) -> Option<ObjectRef> {
    let fails = matches!(symptom.rule, Rule::CrashLoop | Rule::ReadinessFailing | Rule::LivenessFailing);
    if !fails || rolled(symptom, view) {
        return None;
    }
    let recent = |map: &&SharedMap| {
        let after = symptom.since.duration_since(map.changed);
        map.users > 1 && after >= -SLACK && after <= AFTER
    };
    let mut found = maps.iter().filter(recent);
    let first = found.next()?;
    found.next().is_none().then(|| first.object.clone())
}

#[cfg(test)]
mod tests {
    use api::shared::{RootCause, Severity};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::detection::fixtures::{at, container, pod, revision, view, with};
    use crate::graph::Standing;

    fn object(kind: &str, name: &str) -> ObjectRef {
        ObjectRef { kind: kind.into(), name: name.into(), namespace: Some("shop".into()), ..ObjectRef::default() }
    }

    fn finding(class: CauseClass, kind: &str, name: &str, words: &[&str]) -> Finding {
        Finding {
            rule: Rule::NextStart,
            signal: Rule::NextStart.signal(),
            standing: Standing::Suspect,
            severity: Severity::High,
            about: object("Deployment", "web"),
            concerns: vec![object("Deployment", "web"), object("Deployment", "api")],
            cause: RootCause {
                statement: "s".into(),
                object: object(kind, name),
                path: None,
                value: None,
                class,
                confidence: 0.9,
                proof: Vec::new(),
                ruled_out: Vec::new(),
            },
            words: words.iter().map(|w| (*w).to_owned()).collect(),
            candidates: Vec::new(),
            recommendations: Vec::new(),
            hold: 0,
        }
    }

    fn symptom(rule: Rule, value: &str) -> Symptom {
        Symptom {
            rule,
            signal: rule.signal(),
            severity: Severity::High,
            root: object("Deployment", "web"),
            group: String::new(),
            pod: None,
            container: None,
            message: format!("pods of Deployment web: {value}"),
            value: value.into(),
            threshold: String::new(),
            since: Timestamp::UNIX_EPOCH,
            count: 1,
            evidence: Vec::new(),
        }
    }

    fn root(rule: Rule, value: &str, findings: &[(&Finding, bool)]) -> Option<String> {
        let found = follows(&symptom(rule, value), &object("Deployment", "web"), false, findings)?;
        Some(format!("{}/{}", found.kind, found.name))
    }

    #[test]
    fn what_several_workloads_miss_is_one_root() {
        let gone = finding(CauseClass::MissingReference, "ConfigMap", "region", &[]);
        let says = "configmap \"region\" not found";
        assert_eq!(root(Rule::MissingReference, says, &[(&gone, false)]).as_deref(), Some("ConfigMap/region"));
        // It lacks something else, or stops for another reason.
        assert_eq!(root(Rule::MissingReference, "configmap \"other\" not found", &[(&gone, false)]), None);
        assert_eq!(root(Rule::MissingReference, "secret \"region\" not found", &[(&gone, false)]), None);
        assert_eq!(root(Rule::ImagePull, says, &[(&gone, false)]), None);
        // A reference that is misspelt is the workload's own fault.
        let own = finding(CauseClass::MissingReference, "Deployment", "web", &[]);
        assert_eq!(root(Rule::MissingReference, says, &[(&own, false)]), None);
    }

    #[test]
    fn refusals_are_of_what_refuses() {
        let quota = "pods \"a\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3";
        assert_eq!(root(Rule::Refused, quota, &[]).as_deref(), Some("ResourceQuota/team"));
        assert_eq!(root(Rule::CrashLoop, quota, &[]), None);
        let hook = finding(CauseClass::WebhookUnavailable, "ValidatingWebhookConfiguration", "gate", &["gate.io"]);
        let says = "Internal error occurred: failed calling webhook \"gate.io\": no endpoints available";
        assert_eq!(
            root(Rule::Refused, says, &[(&hook, false)]).as_deref(),
            Some("ValidatingWebhookConfiguration/gate")
        );
        assert_eq!(root(Rule::Refused, &says.replace("gate.io", "other.io"), &[(&hook, false)]), None);
        let level = finding(CauseClass::AdmissionRefused, "Namespace", "shop", &[]);
        let says = "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";
        assert_eq!(root(Rule::Refused, says, &[(&level, false)]).as_deref(), Some("Namespace/shop"));
    }

    #[test]
    fn a_registry_that_cannot_be_reached_stops_all_who_pull_from_it() {
        let seen = |detail: &str| crate::detection::Observation {
            source: crate::detection::Source::Event,
            object: object("Pod", "web-1"),
            detail: detail.into(),
            time: None,
        };
        let pull = |image: &str, detail: &str| {
            let symptom = Symptom { evidence: vec![seen(detail)], ..symptom(Rule::ImagePull, image) };
            follows(&symptom, &object("Deployment", "web"), false, &[]).map(|found| found.name)
        };
        let lost = "dial tcp: lookup registry.shop.example: no such host";
        assert_eq!(pull("registry.shop.example/web:1", lost).as_deref(), Some("registry.shop.example"));
        assert_eq!(pull("library/web:1", lost).as_deref(), Some("docker.io"));
        assert_eq!(pull("registry.shop.example/web:1", "manifest unknown"), None);
    }

    #[test]
    fn what_was_told_is_the_root_of_what_can_follow_from_it() {
        let zero = finding(CauseClass::ScaledToZero, "Deployment", "db", &["db"]);
        assert_eq!(root(Rule::CrashLoop, "exit code 1", &[(&zero, true)]).as_deref(), Some("Deployment/db"));
        assert_eq!(root(Rule::CrashLoop, "exit code 1", &[(&zero, false)]), None);
        // A bad image does not follow from a database that rests, nor a crash from a broken route.
        assert_eq!(root(Rule::ImagePull, "not found", &[(&zero, true)]), None);
        let route = finding(CauseClass::RouteMisconfigured, "Ingress", "front", &[]);
        assert_eq!(root(Rule::CrashLoop, "exit code 1", &[(&route, true)]), None);
    }

    #[test]
    fn who_needs_what_is_down_goes_down_with_it_unless_it_was_changed_itself() {
        let mut down = finding(CauseClass::DependencyUnavailable, "Deployment", "db", &["db", "db:5432"]);
        let crash = symptom(Rule::CrashLoop, "exit code 1");
        let web = object("Deployment", "web");
        assert_eq!(follows(&crash, &web, false, &[(&down, false)]), None, "a wrong address is another thing");
        down.cause.path = Some(DOWN.into());
        assert_eq!(follows(&crash, &web, false, &[(&down, false)]).map(|found| found.name).as_deref(), Some("db"));
        assert_eq!(follows(&crash, &web, true, &[(&down, false)]), None);
        // What says it by name needs no such guess.
        let says = symptom(Rule::NotReady, "Readiness probe failed: dial tcp db:5432: connection refused");
        assert_eq!(follows(&says, &web, true, &[(&down, false)]).map(|found| found.name).as_deref(), Some("db"));
        assert_eq!(follows(&symptom(Rule::OutOfMemory, "OOMKilled"), &web, false, &[(&down, false)]), None);
    }

    #[test]
    fn two_objects_at_once_are_none() {
        let one = finding(CauseClass::StorageUnavailable, "PersistentVolumeClaim", "a", &[]);
        let two = finding(CauseClass::StorageUnavailable, "PersistentVolumeClaim", "b", &[]);
        let says = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
        assert_eq!(root(Rule::Unschedulable, says, &[(&one, false), (&two, false)]), None);
        assert_eq!(root(Rule::Unschedulable, says, &[(&one, false)]).as_deref(), Some("PersistentVolumeClaim/a"));
    }

    #[test]
    fn what_crashes_after_a_shared_map_changed_is_one_incident() {
        let map = |users, second| SharedMap { object: object("ConfigMap", "limits"), changed: at(second), users };
        let same = view([pod("p", "r2")]);
        let crash = Symptom { since: at(120), ..symptom(Rule::CrashLoop, "exit code 1") };
        let root = |view: &WorkloadView, symptom: &Symptom, maps: &[SharedMap]| {
            shared_change(symptom, view, maps).map(|object| object.name)
        };
        let restarted = WorkloadView { revisions: vec![revision(2, container()), revision(1, container())], ..same };
        assert_eq!(root(&restarted, &crash, &[map(3, 100)]).as_deref(), Some("limits"));
        // Nobody else has it; it was changed long ago, or later; and what is pulled is no setting.
        assert_eq!(root(&restarted, &crash, &[map(1, 100)]), None);
        assert_eq!(root(&restarted, &crash, &[map(3, -900)]), None);
        assert_eq!(root(&restarted, &crash, &[map(3, 130)]), None);
        assert_eq!(root(&restarted, &crash, &[map(3, 100), map(2, 110)]), None);
        let pull = Symptom { since: at(120), ..symptom(Rule::ImagePull, "not found") };
        assert_eq!(root(&restarted, &pull, &[map(3, 100)]), None);
        // The revision changed the container itself.
        let other = with(container(), "/image", serde_json::json!("registry.example/web:3"));
        let rolled = WorkloadView { revisions: vec![revision(2, other), revision(1, container())], ..restarted };
        assert_eq!(root(&rolled, &crash, &[map(3, 100)]), None);
    }

    #[test]
    fn who_is_refused_since_a_server_moved_follows_from_that() {
        let bank = object("Deployment", "bank");
        let mut moved = finding(CauseClass::ServiceMisconfigured, "Deployment", "bank", &["bank", "bank:5400"]);
        moved.cause.path = Some("env[LISTEN]".into());
        let turned = super::super::fact(&bank, "env[LISTEN]", "5500", "the last revision changed this");
        moved.cause.proof = vec![api::shared::Proof { time: Some(Time(at(100))), ..turned }];
        let seen = |says: &str, second| crate::detection::Observation {
            source: crate::detection::Source::Event,
            object: object("Pod", "web-1"),
            detail: format!("Unhealthy: Liveness probe failed: {says}"),
            time: Some(at(second)),
        };
        let root = |says: &str, second, rolled| {
            let killed = Symptom {
                evidence: vec![seen(says, second)],
                since: at(0),
                ..symptom(Rule::CrashLoop, "exit code 137, 1 restart")
            };
            follows(&killed, &object("Deployment", "web"), rolled, &[(&moved, false)]).map(|found| found.name)
        };
        let refused = "nc: can't connect to remote host (10.96.0.9): Connection refused";
        assert_eq!(root(refused, 120, false).as_deref(), Some("bank"));
        assert_eq!(root(refused, 120, true), None, "it was changed itself");
        assert_eq!(root("wget: server returned error: HTTP/1.1 500", 120, false), None);
        assert_eq!(root(refused, 60, false), None);
    }
}
