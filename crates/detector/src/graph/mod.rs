//! Looks at namespaces as wholes: when to look, how long a finding must stand, who hears of it.
//!
//! What lives here: the caches of what surrounds workloads, the graph that is built from them, and the timing. What does
//! not: what is wrong in a graph (`domain::graph::rules`), and the book of alerts (`eyes`).

mod before;
mod build;
mod caches;
mod looks;
mod rooms;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::shared::ObjectRef;
use domain::detection::{Evaluation, Observation, Rule, Source, Symptom};
use domain::diagnosis::{NodeRoom, follows};
use domain::graph::{Finding, Graph, Standing, Surroundings, rules, same};
use jiff::{SignedDuration, Timestamp};
use kit::work::Work;

use crate::caches::Caches;
use crate::history::Histories;
use crate::index::Index;

pub(crate) use caches::Around;
use rooms::Turns;
pub(crate) use rooms::taken;

/// Stands for all namespaces in the queue.
pub(crate) const EVERYWHERE: &str = "";
/// How soon after a change of its configuration a namespace is looked at: a change seldom comes alone.
const SOON: Duration = Duration::from_millis(250);
/// The same for changes of pods, which are many and mean little here.
const CALM: Duration = Duration::from_secs(1);
/// For how long a namespace is looked at before its first look counts. What was wrong before the start of the process must
/// be known as wrong when it is over, or it would be taken for mended.
const SETTLE: SignedDuration = SignedDuration::from_secs(5);

/// What distinguishes a finding from others of its namespace.
type Identity = (String, String, String, String, Rule, Option<String>);

fn identity(finding: &Finding) -> Identity {
    let (about, object) = (&finding.about, &finding.cause.object);
    (
        about.kind.clone(),
        about.name.clone(),
        object.kind.clone(),
        object.name.clone(),
        finding.rule,
        finding.cause.path.clone(),
    )
}

#[derive(Default)]
struct State {
    /// Since when a finding stands, by namespace.
    since: HashMap<String, BTreeMap<Identity, Timestamp>>,
    /// Objects that have open alerts of ours, by namespace.
    told: HashMap<String, Vec<ObjectRef>>,
    /// Namespaces whose first look is not over; none before the caches are filled.
    left: Option<HashSet<String>>,
    /// When looking began.
    began: Option<Timestamp>,
    cluster: Option<Arc<Surroundings>>,
    /// How often it was forgotten.
    shifts: u64,
    /// What was seen of the nodes.
    turns: Turns,
    /// What the last look at a namespace found, each with whether it is told.
    known: HashMap<String, Vec<(Finding, bool)>>,
}

/// The graph of every namespace, looked at after changes.
#[derive(Default)]
pub(crate) struct Graphs {
    pub(crate) around: Around,
    pub(crate) work: Work<String>,
    state: Mutex<State>,
}

/// What a look found: per object its symptoms; and when to look again.
pub(crate) struct Looked {
    /// Objects with what is wrong about them; those without anything any more are among them once.
    pub(crate) found: Vec<(ObjectRef, Evaluation)>,
    /// When to look again although nothing changes.
    pub(crate) next: Option<Timestamp>,
}

impl Graphs {
    pub(crate) fn new(around: Around) -> Self {
        Self { around, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration of a namespace changed.
    pub(crate) fn changed(&self, namespace: &str) {
        self.work.add_at(namespace.to_owned(), tokio::time::Instant::now() + SOON);
    }

    /// A pod of a namespace changed.
    pub(crate) fn stirred(&self, namespace: &str) {
        self.work.add_at(namespace.to_owned(), tokio::time::Instant::now() + CALM);
    }

    /// Something that namespaces share changed: what is remembered of it is not true any more.
    pub(crate) fn shifted(&self) {
        let mut state = self.lock();
        state.cluster = None;
        state.shifts += 1;
        drop(state);
        self.stirred(EVERYWHERE);
    }

    /// A node is as told now. Most of what changes on a node is its heartbeat, which no rule reads.
    pub(crate) fn node(&self, node: NodeRoom, now: Timestamp) {
        let mut state = self.lock();
        state.turns.note(&node, now);
        let node = state.turns.on(node);
        let same = state.cluster.as_ref().is_some_and(|cluster| cluster.nodes.contains(&node));
        drop(state);
        if !same {
            self.shifted();
        }
    }

    /// A node is gone.
    pub(crate) fn node_gone(&self, node: &str) {
        self.lock().turns.forget(node);
        self.shifted();
    }

    /// Since when a node is not ready, if it was seen ready before.
    pub(crate) fn fell(&self, node: &str) -> Option<Timestamp> {
        self.lock().turns.fell(node)
    }

    /// What namespaces share, from memory or put together anew.
    pub(crate) fn cluster(&self, caches: &Caches) -> Arc<Surroundings> {
        let state = self.lock();
        let (known, shifts) = (state.cluster.clone(), state.shifts);
        drop(state);
        known.unwrap_or_else(|| {
            let mut fresh = build::surroundings(caches, &self.around);
            let mut state = self.lock();
            fresh.nodes = fresh.nodes.into_iter().map(|node| state.turns.on(node)).collect();
            let fresh = Arc::new(fresh);
            // What changed meanwhile is not in it.
            if state.shifts == shifts {
                state.cluster = Some(fresh.clone());
            }
            fresh
        })
    }

    /// Namespaces about which something is told.
    pub(crate) fn told(&self) -> Vec<String> {
        self.lock().told.keys().cloned().collect()
    }

    /// The look at a namespace failed: nothing waits for it at the start any longer.
    pub(crate) fn failed(&self, namespace: &str) {
        if let Some(left) = &mut self.lock().left {
            left.remove(namespace);
        }
    }

    /// Begins to look; silence means something once each of these was looked at for long enough.
    pub(crate) fn begin(&self, namespaces: HashSet<String>, now: Timestamp) {
        let mut state = self.lock();
        state.began = Some(now);
        state.left = Some(namespaces.clone());
        drop(state);
        for namespace in namespaces {
            self.work.add(namespace);
        }
    }

    /// Whether a namespace was looked at.
    pub(crate) fn looked_at(&self, namespace: &str) -> bool {
        self.lock().known.contains_key(namespace)
    }

    /// The object at fault that the first symptoms of a workload follow from, as far as the last look knows one, or these
    /// findings do.
    pub(crate) fn root_for(
        &self,
        workload: &ObjectRef,
        symptoms: &[Symptom],
        rolled: bool,
        findings: &[Finding],
    ) -> Option<ObjectRef> {
        let state = self.lock();
        let known = state.known.get(workload.namespace.as_deref().unwrap_or_default());
        let known = known.into_iter().flatten().map(|(finding, told)| (finding, *told));
        let concerns = |(finding, _): &(&Finding, bool)| {
            same(&finding.about, workload) || finding.concerns.iter().any(|object| same(object, workload))
        };
        let ours: Vec<(&Finding, bool)> =
            known.chain(findings.iter().map(|finding| (finding, false))).filter(concerns).collect();
        symptoms.iter().find_map(|symptom| follows(symptom, workload, rolled, &ours))
    }

    /// How many namespaces were not looked at for long enough since the start; none before that.
    pub(crate) fn left(&self) -> Option<usize> {
        self.lock().left.as_ref().map(HashSet::len)
    }

    /// The graph of a namespace.
    pub(crate) fn graph(
        &self,
        (caches, histories, index): (&Caches, &Histories, &Index),
        namespace: &str,
        troubled: impl Fn(&ObjectRef) -> bool,
        now: Timestamp,
    ) -> Graph {
        let cluster = self.cluster(caches);
        let mut graph = build::build((caches, &self.around, histories), cluster, namespace, troubled);
        before::tell(caches, index, namespace, &mut graph.workloads, now);
        graph
    }

    /// Judges what is wrong in a namespace now: what must still stand a while, what is told, what is over.
    pub(crate) fn judge(&self, graph: &Graph, wanted: impl Fn(&Finding) -> bool, now: Timestamp) -> Looked {
        let findings = rules::findings(graph, now);
        let mut state = self.lock();
        let starting = state.began.is_some_and(|began| now.duration_since(began) < SETTLE);
        let since = state.since.entry(graph.namespace.clone()).or_default();
        let mut standing = BTreeMap::new();
        let mut open = HashSet::new();
        let mut found: Vec<(ObjectRef, Evaluation)> = Vec::new();
        let mut next = rules::next_look(graph, now);
        for finding in findings.iter().filter(|finding| tells(finding, graph) && wanted(finding)) {
            let id = identity(finding);
            let hold = SignedDuration::from_secs(finding.hold.clamp(0, 3600));
            // What stood when the process began stood before it too.
            let credit = if starting { (hold - SETTLE).max(SignedDuration::ZERO) } else { SignedDuration::ZERO };
            let first = since.get(&id).copied().unwrap_or_else(|| now.saturating_sub(credit).unwrap_or(now));
            standing.insert(id.clone(), first);
            let due = first.saturating_add(hold).unwrap_or(now);
            if due > now {
                next = Some(next.map_or(due, |known| known.min(due)));
                continue;
            }
            open.insert(id);
            let symptom = symptom(finding, first);
            if let Some((_, evaluation)) = found.iter_mut().find(|(object, _)| *object == finding.about) {
                evaluation.symptoms.push(symptom);
            } else {
                let evaluation = Evaluation { symptoms: vec![symptom], ..Evaluation::default() };
                found.push((finding.about.clone(), evaluation));
            }
        }
        *since = standing;
        let known = findings.into_iter().map(|finding| {
            let told = open.contains(&identity(&finding));
            (finding, told)
        });
        let known = known.collect();
        state.known.insert(graph.namespace.clone(), known);
        let told = state.told.remove(&graph.namespace).unwrap_or_default();
        let now_told: Vec<ObjectRef> = found.iter().map(|(object, _)| object.clone()).collect();
        for object in told.into_iter().filter(|object| !now_told.contains(object)) {
            found.push((object, Evaluation { healthy: true, ..Evaluation::default() }));
        }
        if !now_told.is_empty() {
            state.told.insert(graph.namespace.clone(), now_told);
        }
        let over = state.began.is_none_or(|began| now.duration_since(began) >= SETTLE);
        if over && let Some(left) = &mut state.left {
            left.remove(&graph.namespace);
        }
        if !over && let Some(began) = state.began {
            let due = began.saturating_add(SETTLE).unwrap_or(now);
            next = Some(next.map_or(due, |known| known.min(due)));
        }
        Looked { found, next }
    }

    /// Objects of a namespace whose alert is over but must be told so: they are looked at once more after the book's own
    /// hold.
    pub(crate) fn again(&self, namespace: &str, object: &ObjectRef) {
        let mut state = self.lock();
        let told = state.told.entry(namespace.to_owned()).or_default();
        if !told.contains(object) {
            told.push(object.clone());
        }
    }
}

/// Whether a finding is told by itself. What a workload's own symptom says better is left to that: its diagnosis asks the
/// graph.
fn tells(finding: &Finding, graph: &Graph) -> bool {
    let troubled = |object: &ObjectRef| graph.workload(object).is_some_and(|workload| workload.troubled);
    finding.standing > Standing::Suspect && !troubled(&finding.about) && !finding.concerns.iter().any(troubled)
}

fn symptom(finding: &Finding, since: Timestamp) -> Symptom {
    let cause = &finding.cause;
    let observed = |proof: &api::shared::Proof| Observation {
        source: Source::Spec,
        object: proof.object.clone(),
        detail: format!(
            "{}: {}",
            proof.path.as_deref().unwrap_or_default(),
            proof.value.as_deref().unwrap_or_default()
        ),
        time: proof.time.as_ref().map(|time| time.0),
    };
    Symptom {
        rule: finding.rule,
        signal: finding.signal,
        severity: finding.severity,
        root: cause.object.clone(),
        group: cause.path.clone().unwrap_or_default(),
        pod: None,
        container: None,
        message: cause.statement.clone(),
        value: cause.value.clone().unwrap_or_default(),
        threshold: String::new(),
        since,
        count: 1,
        evidence: cause.proof.iter().map(observed).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(ready: bool) -> NodeRoom {
        NodeRoom { name: "n1".into(), ready, ..NodeRoom::default() }
    }

    #[test]
    fn the_heartbeat_of_a_node_wakes_nobody() {
        let graphs = Graphs::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        graphs.node(room(true), at(0));
        assert!(!graphs.work.is_empty());
        let graphs = Graphs::default();
        let cluster = Surroundings { nodes: vec![room(true)], ..Surroundings::default() };
        graphs.lock().cluster = Some(Arc::new(cluster));
        graphs.node(room(true), at(1));
        graphs.node(room(true), at(2));
        assert!(graphs.work.is_empty() && graphs.lock().cluster.is_some());
        graphs.node(room(false), at(3));
        assert!(!graphs.work.is_empty() && graphs.lock().cluster.is_none());
        assert_eq!(graphs.fell("n1"), Some(at(3)));
        graphs.node_gone("n1");
        assert_eq!(graphs.fell("n1"), None);
    }

    #[test]
    fn a_look_that_fails_holds_up_no_start() {
        let graphs = Graphs::default();
        graphs.begin(HashSet::from(["shop".to_owned(), "bank".to_owned()]), Timestamp::UNIX_EPOCH);
        graphs.failed("shop");
        assert_eq!(graphs.left(), Some(1));
    }
}
