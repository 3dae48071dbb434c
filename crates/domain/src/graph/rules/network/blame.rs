//! Which policy, or whose labels, are at fault when a connection is denied.

use std::collections::BTreeMap;

use api::shared::{CauseClass, ObjectRef};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde_json::Value;

use super::super::super::{Standing, Workload};
use super::super::{cause, fact};
use super::dependency::slip;
use super::index::Index;
use super::needs::{Need, later};
use super::policy::{self, Denial, Gap, Peer, Port, Verdict, Way};
use super::reach::{Denied, of_policy};
use super::{called, ruled_out};
use crate::graph::Touch;
use crate::graph::query::{name, nearest, of_service};

/// A connection that is denied.
pub(super) struct Connection<'n, 'g> {
    pub(super) need: &'n Need<'g>,
    pub(super) way: Way,
    /// The workload that the policies select.
    pub(super) subject: Subject<'n>,
    /// The one at the other end, where it is known.
    pub(super) other: Option<&'g Workload>,
    pub(super) what: String,
    pub(super) number: i32,
}

/// The pods that the policies select, or the Service in front of them where they are not known.
pub(super) struct Subject<'a> {
    pub(super) object: ObjectRef,
    /// Their labels, as far as they are known.
    pub(super) labels: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a Workload> for Subject<'a> {
    fn from(workload: &'a Workload) -> Self {
        Self { object: workload.object.clone(), labels: &workload.pod_labels }
    }
}

/// The fault behind a denied connection.
pub(super) fn denied<'g>(
    index: &Index<'g>,
    connection: &Connection<'_, 'g>,
    denials: &[Denial<'g>],
    idle: &[&'g NetworkPolicy],
    (peer, port): (&Peer, &Port),
    service: &Service,
) -> Option<Denied<'g>> {
    let Connection { need, way, subject, other, what, number } = connection;
    let slipped = idle.iter().find_map(|policy| Some((*policy, misses(index, policy, subject, *way, peer, port)?)));
    let denied = || denials.get(chosen(denials)).map(|denial| (denial.policy, denial.gap.clone()));
    let (policy, gap) = slipped.or_else(denied)?;
    let rest = denials.iter().filter(|denial| !std::ptr::eq(denial.policy, policy));
    let object = of_policy(policy);
    let who = match need.client {
        Some(_) => need.who(),
        None => format!("the controller of {}", called(&need.by)),
    };
    let explicit = need.plain && !need.spare && !others(index);
    let confidence = if explicit { 0.92 } else { 0.6 };
    let left = other.filter(|other| left(other, policy, &gap));
    let mut edit = gap.edit.clone();
    let mut cause = if let (Some(other), Some((key, want, found))) = (left, &gap.label) {
        let path = format!("{}metadata.labels.{key}", other.spec_path.strip_suffix("spec").unwrap_or_default());
        let has = found.as_ref().map_or_else(|| format!("no label {key}"), |found| format!("{key}={found}"));
        let statement = format!(
            "Pods of {} have {has}, while NetworkPolicy {} allows {key}={want} only, so {who} is denied {what}",
            called(&other.object),
            object.name
        );
        edit = format!("set {path} of {} to {want}", called(&other.object));
        let value = found.as_deref().unwrap_or("(absent)");
        cause(&other.object, CauseClass::NetworkDenied, &path, value, statement, confidence)
    } else {
        let statement = format!("{who} is denied {what} by NetworkPolicy {}: its {}", object.name, gap.because);
        cause(&object, CauseClass::NetworkDenied, &gap.path, &gap.value, statement, confidence)
    };
    let selects = format!("it selects the pods of {} for {}", called(&subject.object), way.field());
    cause.proof = vec![
        fact(&of_service(service), "spec.ports", number.to_string(), "requests go to this port of the pods"),
        fact(&object, &gap.path, gap.value.clone(), &selects),
        fact(&subject.object, "labels", shown(subject.labels), "its pods have these labels"),
    ];
    if let Some(other) = other {
        cause.proof.push(fact(
            &other.object,
            "labels",
            shown(&other.pod_labels),
            "the pods at the other end have these",
        ));
    }
    for denial in rest.take(6) {
        cause.ruled_out.push(ruled_out(
            format!("NetworkPolicy {} allows it", name(&denial.policy.metadata)),
            format!("its {}", denial.gap.because),
        ));
    }
    let servers = match way {
        Way::Ingress => vec![subject.object.clone()],
        Way::Egress => other.iter().map(|other| other.object.clone()).collect(),
    };
    Some(Denied {
        cause,
        needs: vec![(*need).clone()],
        servers,
        port: number.to_string(),
        standing: if explicit { Standing::Outage } else { Standing::Suspect },
        edit,
    })
}

/// What a policy that selects no pods would have to select to allow the connection, if that is only a slip away.
fn misses(index: &Index, policy: &NetworkPolicy, subject: &Subject, way: Way, peer: &Peer, port: &Port) -> Option<Gap> {
    let selector = policy.spec.as_ref()?.pod_selector.as_ref()?;
    let wanted =
        selector.match_labels.as_ref().filter(|_| selector.match_expressions.iter().flatten().next().is_none())?;
    let mut differ = wanted.iter().filter(|(key, want)| subject.labels.get(*key) != Some(want));
    let ((key, want), None) = (differ.next()?, differ.next()) else { return None };
    let found = subject.labels.get(key)?;
    let close = slip(want, found) || nearest(want, [found.as_str()]).is_some() || wanted.len() > 1;
    let opens = matches!(policy::decide(index.graph, &[policy], way, peer, port), Verdict::Open);
    (close && opens && peer.complete).then(|| Gap {
        count: 1,
        path: format!("spec.podSelector.matchLabels.{key}"),
        value: want.clone(),
        because: format!(
            "podSelector wants {key}={want} and selects no pods, while {} has {key}={found}",
            called(&subject.object)
        ),
        edit: format!("set spec.podSelector.matchLabels.{key} to {found}"),
        label: None,
    })
}

/// Whether there are policies of other kinds, which may allow what these deny.
pub(super) fn others(index: &Index) -> bool {
    let kind =
        |object: &Value| object.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("NetworkPolicy"));
    index.graph.others.iter().any(|object| kind(object))
}

fn shown(labels: &BTreeMap<String, String>) -> String {
    super::clip(&labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","), 120)
}

/// Which of the policies is at fault: the one that nearly allows the connection, if it seems to be meant for it; else the
/// one that was changed last; else the one that allows nothing.
fn chosen(denials: &[Denial]) -> usize {
    let touched: Vec<Option<Touch>> = denials.iter().map(|denial| Touch::of(&denial.policy.metadata)).collect();
    let last = touched.iter().enumerate().find_map(|(at, touch)| {
        let others = touched.iter().enumerate().filter(|(other, _)| *other != at);
        let mut others = others.peekable();
        (others.peek().is_some() && others.all(|(_, other)| later(touch.as_ref(), other.as_ref()))).then_some(at)
    });
    let meant = denials.iter().enumerate().find(|(at, denial)| {
        let fits = match &denial.gap.label {
            Some((_, want, Some(found))) => slip(want, found) || nearest(want, [found.as_str()]).is_some(),
            _ => true,
        };
        denial.gap.count == 1 && (fits || last == Some(*at))
    });
    let closed = || denials.iter().position(|denial| denial.gap.count == usize::MAX);
    meant.map(|(at, _)| at).or(last).or_else(closed).unwrap_or_default()
}

/// Whether the pods at the other end have left the labels that the policy allows, rather than the policy them.
fn left(other: &Workload, policy: &NetworkPolicy, gap: &Gap) -> bool {
    let Some((key, want, found)) = &gap.label else { return false };
    if other.labels.get(key) == Some(want) {
        return true;
    }
    let fixed = other.selector.iter().flat_map(|selector| selector.match_labels.iter().flatten());
    let fixed = fixed.into_iter().any(|(own, value)| own == key && Some(value) == found.as_ref());
    !fixed && later(other.touched.as_ref(), Touch::of(&policy.metadata).as_ref())
}
