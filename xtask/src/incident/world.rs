//! What is known of the cluster, as its watches told it, with the instant at which each thing was heard: objects, Anomalies,
//! Issues and their analyses, and the moments at which something came to look worse. What the platform said is remembered
//! until its run is over, also when it goes.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::object::{Object, is_of};
use super::pattern::Pattern;
use super::said::{Cause, Noticed, Said};
use super::symptom;

/// What is known.
#[derive(Default)]
pub struct World {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Every object that is there, by kind and name.
    objects: HashMap<Object, Value>,
    /// Issues by their identity.
    issues: HashMap<String, Heard>,
    /// Analyses by their identity.
    insights: HashMap<String, Heard>,
    /// Anomalies by their identity.
    anomalies: HashMap<String, Heard>,
    /// What came to look worse.
    worse: Vec<Worse>,
    /// Kinds whose objects are all known.
    complete: HashSet<&'static str>,
    /// Since when and why a watch does not run.
    broken: HashMap<&'static str, (Instant, String)>,
}

struct Heard {
    first: Instant,
    /// When an analysis first had its answer, or an Anomaly was first over.
    done: Option<Instant>,
    value: Value,
}

struct Worse {
    at: Instant,
    object: Object,
    finding: String,
}

impl World {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all objects of so many kinds are known.
    pub fn is_complete(&self, kinds: usize) -> bool {
        self.lock().complete.len() == kinds
    }

    /// Which watch has not run for so long, and why.
    pub fn broken(&self, long: Duration) -> Option<String> {
        let state = self.lock();
        let broken = state.broken.iter().filter(|(_, (since, _))| since.elapsed() >= long);
        broken.map(|(kind, (_, why))| format!("{kind}: {why}")).min()
    }

    /// Takes note of why a watch does not run.
    pub fn breaks(&self, kind: &'static str, why: String) {
        self.lock().broken.entry(kind).or_insert_with(|| (Instant::now(), why));
    }

    /// All objects of a kind: what is not among them is gone.
    pub fn replace(&self, kind: &'static str, values: Vec<Value>) {
        let mut state = self.lock();
        let mut there = HashSet::new();
        for value in values {
            there.insert(named(kind, &value));
            state.put(kind, value);
        }
        state.objects.retain(|object, _| object.kind != kind || there.contains(object));
        state.complete.insert(kind);
        state.broken.remove(kind);
    }

    /// An object is new, or has changed.
    pub fn put(&self, kind: &'static str, value: Value) {
        self.lock().put(kind, value);
    }

    /// An object is gone.
    pub fn remove(&self, kind: &'static str, value: &Value) {
        self.lock().objects.remove(&named(kind, value));
    }

    /// The objects of a run.
    pub fn objects(&self, run: &str) -> HashMap<Object, Value> {
        let state = self.lock();
        let mine = state.objects.iter().filter(|(object, _)| object.belongs_to(run));
        mine.map(|(object, value)| (object.clone(), value.clone())).collect()
    }

    /// When and how a fault first showed, on an object of a run that one of the expressions names.
    pub fn first_worse(&self, run: &str, since: Instant, symptoms: &[Pattern]) -> Option<(Instant, String)> {
        let state = self.lock();
        let shows = |worse: &&Worse| {
            worse.at >= since
                && worse.object.belongs_to(run)
                && symptoms.iter().any(|pattern| pattern.is(&worse.object.id()))
        };
        let first = state.worse.iter().filter(shows).min_by_key(|worse| worse.at)?;
        Some((first.at, format!("{} {}", first.object.id(), first.finding)))
    }

    /// The Issues about objects of a run, with times as seconds since `zero`.
    pub fn said(&self, run: &str, zero: Instant) -> Vec<Said> {
        self.said_of(zero, |objects| objects.iter().any(|object| object.belongs_to(run)))
    }

    /// The Issues about objects of no run.
    pub fn said_of_none(&self, runs: &[String], zero: Instant) -> Vec<Said> {
        self.said_of(zero, |objects| !objects.iter().any(|object| runs.iter().any(|run| object.belongs_to(run))))
    }

    fn said_of(&self, zero: Instant, wanted: impl Fn(&[Object]) -> bool) -> Vec<Said> {
        let state = self.lock();
        let issues = state.issues.iter().map(|(uid, heard)| state.tell(uid, heard, zero));
        issues.filter(|said| wanted(&said.objects)).collect()
    }

    /// The Anomalies about objects of a run, the first one first, with times as seconds since `zero`.
    pub fn noticed(&self, run: &str, zero: Instant) -> Vec<Noticed> {
        let state = self.lock();
        let mut noticed: Vec<Noticed> = state
            .anomalies
            .iter()
            .map(|(uid, heard)| {
                let value = &heard.value;
                Noticed {
                    uid: uid.clone(),
                    anomaly: format!("{}/{}", text(value, "/metadata/namespace"), text(value, "/metadata/name")),
                    signal: text(value, "/spec/signalType").to_owned(),
                    description: text(value, "/spec/description").to_owned(),
                    objects: concerned(value),
                    after: seconds(heard.first, zero),
                    resolved: heard.done.map(|done| seconds(done, zero)),
                }
            })
            .filter(|noticed| noticed.objects.iter().any(|object| object.belongs_to(run)))
            .collect();
        noticed.sort_by(|a, b| a.after.total_cmp(&b.after));
        noticed
    }

    /// Issues of a run that lie outside its namespaces: nothing else takes them along.
    pub fn issues_elsewhere(&self, run: &str) -> Vec<Object> {
        let state = self.lock();
        let issues = state.objects.iter().filter(|(object, value)| {
            let inside = object.namespace.as_deref().is_some_and(|namespace| is_of(namespace, run));
            object.kind == "Issue" && !inside && concerned(value).iter().any(|object| object.belongs_to(run))
        });
        issues.map(|(object, _)| object.clone()).collect()
    }

    /// Forgets what is only needed while a run goes on.
    pub fn forget(&self, run: &str) {
        let mut state = self.lock();
        state.worse.retain(|worse| !worse.object.belongs_to(run));
        let mut gone: Vec<String> = Vec::new();
        state.issues.retain(|_, heard| {
            let of_run = concerned(&heard.value).iter().any(|object| object.belongs_to(run));
            if of_run {
                gone.push(text(&heard.value, "/metadata/name").to_owned());
            }
            !of_run
        });
        state.insights.retain(|_, heard| !gone.iter().any(|name| text(&heard.value, "/spec/issueRef/name") == name));
        state.anomalies.retain(|_, heard| !concerned(&heard.value).iter().any(|object| object.belongs_to(run)));
    }
}

impl State {
    fn put(&mut self, kind: &'static str, value: Value) {
        let now = Instant::now();
        let object = named(kind, &value);
        let old = self.objects.get(&object);
        if old.is_some_and(|old| text(old, "/metadata/resourceVersion") == text(&value, "/metadata/resourceVersion")) {
            return;
        }
        if let Some((object, finding)) = symptom::shown(kind, &object, old, &value) {
            self.worse.push(Worse { at: now, object, finding });
        }
        let heard = match kind {
            "Issue" => Some(&mut self.issues),
            "AIInsight" => Some(&mut self.insights),
            "Anomaly" => Some(&mut self.anomalies),
            _ => None,
        };
        if let Some(heard) = heard {
            let uid = text(&value, "/metadata/uid").to_owned();
            let entry = heard.entry(uid).or_insert_with(|| Heard { first: now, done: None, value: Value::Null });
            if is_answered(&value) || text(&value, "/status/state") == "Resolved" {
                entry.done.get_or_insert(now);
            }
            entry.value = value.clone();
        }
        self.objects.insert(object, value);
    }

    fn tell(&self, uid: &str, issue: &Heard, zero: Instant) -> Said {
        let value = &issue.value;
        let (namespace, name) = (text(value, "/metadata/namespace"), text(value, "/metadata/name"));
        let answers: Vec<&Heard> = self
            .insights
            .values()
            .filter(|insight| {
                text(&insight.value, "/metadata/namespace") == namespace
                    && text(&insight.value, "/spec/issueRef/name") == name
            })
            .collect();
        Said {
            uid: uid.to_owned(),
            issue: format!("{namespace}/{name}"),
            signal: text(value, "/spec/signalType").to_owned(),
            description: text(value, "/spec/description").to_owned(),
            after: seconds(issue.first, zero),
            objects: concerned(value),
            analyzed: answers.iter().any(|insight| insight.done.is_some()),
            causes: answers.iter().filter_map(|insight| cause(insight, zero)).collect(),
        }
    }
}

fn cause(insight: &Heard, zero: Instant) -> Option<Cause> {
    let cause = insight.value.pointer("/status/rootCause")?;
    let optional = |key: &str| cause.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Cause {
        object: Object::referred(cause.get("object")?)?,
        path: optional("path"),
        value: optional("value"),
        statement: optional("statement").unwrap_or_default(),
        class: optional("class").unwrap_or_default(),
        confidence: cause.get("confidence").and_then(Value::as_f64).unwrap_or_default(),
        after: seconds(insight.done.unwrap_or(insight.first), zero),
    })
}

fn is_answered(insight: &Value) -> bool {
    insight.pointer("/status/rootCause").is_some() || !text(insight, "/status/analysis").is_empty()
}

/// The object that an Issue or an Anomaly is about, its root, those that it affects, and the cause.
fn concerned(issue: &Value) -> Vec<Object> {
    let affected = issue.pointer("/status/affectedResources").and_then(Value::as_array).into_iter().flatten();
    let single = ["/spec/resource", "/spec/root", "/status/rootCause/object"];
    let references = single.iter().filter_map(|pointer| issue.pointer(pointer)).chain(affected);
    let mut objects: Vec<Object> = Vec::new();
    for object in references.filter_map(Object::referred) {
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    objects
}

fn named(kind: &str, value: &Value) -> Object {
    Object::new(kind, text(value, "/metadata/namespace"), text(value, "/metadata/name"))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Seconds from `zero`; before it they are negative.
pub fn seconds(at: Instant, zero: Instant) -> f64 {
    at.checked_duration_since(zero).map_or_else(|| -(zero - at).as_secs_f64(), |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issue(name: &str, version: &str) -> Value {
        json!({
            "metadata": {"namespace": "k3x", "name": name, "uid": format!("u-{name}"), "resourceVersion": version},
            "spec": {"resource": {"kind": "Deployment", "namespace": "k3x", "name": "web"}, "root": {"kind": "Node", "name": "k3x-a"}},
            "status": {"affectedResources": [{"kind": "Deployment", "namespace": "k3x", "name": "web"}]},
        })
    }

    fn insight(cause: bool) -> Value {
        let root =
            json!({"object": {"kind": "Node", "name": "k3x-a"}, "statement": "The node is full.", "confidence": 0.9});
        let status = if cause { json!({"rootCause": root}) } else { json!({}) };
        json!({
            "metadata": {"namespace": "k3x", "name": "i", "uid": "u-i", "resourceVersion": if cause { "2" } else { "1" }},
            "spec": {"issueRef": {"name": "a"}}, "status": status,
        })
    }

    #[test]
    fn an_issue_is_told_with_its_objects_and_its_cause() {
        let world = World::default();
        let zero = Instant::now();
        world.put("Issue", issue("a", "1"));
        world.put("AIInsight", insight(false));
        let said = world.said("k3x", zero);
        assert_eq!(said[0].objects, [Object::new("Deployment", "k3x", "web"), Object::new("Node", "", "k3x-a")]);
        assert!(!said[0].analyzed && said[0].causes.is_empty() && said[0].after >= 0.0);
        world.put("AIInsight", insight(true));
        let said = world.said("k3x", zero);
        assert!(said[0].analyzed && said[0].causes[0].statement == "The node is full.");
        assert!(world.said("other", zero).is_empty());
        assert_eq!(world.said_of_none(&["other".into()], zero).len(), 1);
    }

    #[test]
    fn an_issue_that_goes_is_remembered_until_its_run_is_over() {
        let world = World::default();
        world.put("Issue", issue("a", "1"));
        world.remove("Issue", &issue("a", "1"));
        world.replace("Issue", vec![issue("b", "2")]);
        assert_eq!(world.said("k3x", Instant::now()).len(), 2);
        world.forget("k3x");
        assert!(world.said("k3x", Instant::now()).is_empty());
    }

    #[test]
    fn an_anomaly_is_told_from_its_begin_to_its_end() {
        let anomaly = |version: &str, state: &str| {
            json!({
                "metadata": {"namespace": "k3x", "name": "a", "uid": "u", "resourceVersion": version},
                "spec": {"signalType": "oom_kill", "resource": {"kind": "Deployment", "namespace": "k3x", "name": "web"}},
                "status": {"state": state},
            })
        };
        let world = World::default();
        let zero = Instant::now();
        world.put("Anomaly", anomaly("1", "Firing"));
        let told = world.noticed("k3x", zero);
        assert_eq!((told[0].signal.as_str(), told[0].resolved), ("oom_kill", None));
        assert_eq!(told[0].objects, [Object::new("Deployment", "k3x", "web")]);
        world.put("Anomaly", anomaly("2", "Resolved"));
        world.remove("Anomaly", &anomaly("2", "Resolved"));
        let told = world.noticed("k3x", zero);
        assert!(told[0].resolved.is_some_and(|at| at >= told[0].after));
        assert!(world.noticed("other", zero).is_empty());
        world.forget("k3x");
        assert!(world.noticed("k3x", zero).is_empty());
    }

    #[test]
    fn what_is_listed_again_is_no_news() {
        let world = World::default();
        let event = json!({"metadata": {"namespace": "k3x", "name": "e", "resourceVersion": "7"}, "type": "Warning", "reason": "BackOff", "involvedObject": {"kind": "Pod", "namespace": "k3x", "name": "web"}});
        let symptoms = [Pattern::new("Pod/web").unwrap()];
        let before = Instant::now();
        world.put("Event", event.clone());
        assert!(world.first_worse("k3x", before, &symptoms).is_some());
        let after = Instant::now();
        world.replace("Event", vec![event]);
        assert!(world.first_worse("k3x", after, &symptoms).is_none());
    }
}
