//! The book under random sequences: replicas that come, go, take over and talk late, Instances that are deleted and made
//! again, restarts of the operator. Against a model that only knows what each Instance was last heard to say.

use std::collections::{BTreeMap, BTreeSet};

use api::anomaly::{Anomaly, AnomalyState, AnomalyStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kit::cache::Key;
use kube::ResourceExt;
use ports::server_link::Alert;
use proptest::prelude::*;

use super::accounts::{GONE_AFTER, LinkId, Source};
use super::book::{Book, Todo};
use crate::tests::world::{alert, t0};

const INSTANCES: usize = 3;
const REPLICAS: usize = 2;
const ALERTS: u8 = 5;

#[derive(Clone, Copy, Debug)]
enum Op {
    Fire(usize, u8),
    Resolve(usize, u8),
    /// A replica that no longer raises the alerts says something late.
    Late(usize, usize, u8, bool),
    Connect(usize, usize),
    Disconnect(usize, usize),
    /// The account breaks off half way.
    Half(usize),
    Lead(usize, usize),
    Remove(usize),
    Add(usize),
    Minutes(i64),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let (i, r, a) = (0..INSTANCES, 0..REPLICAS, 0..ALERTS);
    prop_oneof![
        4 => (i.clone(), a.clone()).prop_map(|(i, a)| Op::Fire(i, a)),
        4 => (i.clone(), a.clone()).prop_map(|(i, a)| Op::Resolve(i, a)),
        2 => (i.clone(), r.clone(), a, any::<bool>()).prop_map(|(i, r, a, f)| Op::Late(i, r, a, f)),
        4 => (i.clone(), r.clone()).prop_map(|(i, r)| Op::Connect(i, r)),
        2 => (i.clone(), r.clone()).prop_map(|(i, r)| Op::Disconnect(i, r)),
        1 => i.clone().prop_map(Op::Half),
        2 => (i.clone(), r).prop_map(|(i, r)| Op::Lead(i, r)),
        1 => i.clone().prop_map(Op::Remove),
        2 => i.prop_map(Op::Add),
        2 => (1_i64..8).prop_map(Op::Minutes),
        1 => Just(Op::Restart),
    ]
}

/// One Instance, as it is and as it was heard.
#[derive(Clone, Debug)]
struct Instance {
    source: Source,
    truth: BTreeSet<u8>,
    links: Option<[LinkId; REPLICAS]>,
    connected: [bool; REPLICAS],
    leader: usize,
    /// What it said in this life of the operator, and did not take back.
    said: BTreeSet<u8>,
    /// The same of earlier lives.
    said_before: BTreeSet<u8>,
    complete: bool,
    since: Timestamp,
}

struct World {
    book: Book,
    instances: Vec<Instance>,
    store: BTreeMap<String, Anomaly>,
    next_link: LinkId,
    now: Timestamp,
    restarted: Timestamp,
}

fn wire(id: u8, over: Option<Timestamp>, now: Timestamp) -> Alert {
    Alert { id: format!("a{id}"), ..alert(over, now) }
}

impl World {
    fn new() -> Self {
        let instance = |n: usize| Instance {
            source: Source::of_instance(&Key::new("ns", format!("i{n}"))),
            truth: BTreeSet::new(),
            links: None,
            connected: [false; REPLICAS],
            leader: 0,
            said: BTreeSet::new(),
            said_before: BTreeSet::new(),
            complete: false,
            since: t0(),
        };
        let instances = (0..INSTANCES).map(instance).collect();
        let world = Self {
            book: Book::new("ops"),
            instances,
            store: BTreeMap::new(),
            next_link: 0,
            now: t0(),
            restarted: t0(),
        };
        let (over, _) = world.book.look(t0());
        assert!(over.is_empty());
        world
    }

    /// What the workers of the bridge do.
    fn work(&mut self, keys: impl IntoIterator<Item = Key>) {
        let mut keys: Vec<Key> = keys.into_iter().collect();
        while let Some(key) = keys.pop() {
            for step in 0.. {
                assert!(step < 10, "{key} is never done");
                match self.book.todo(&key, self.now) {
                    Todo::Nothing => break,
                    Todo::Later(at) => self.now = at,
                    Todo::Create(anomaly) => {
                        let mut anomaly = *anomaly;
                        anomaly.metadata.uid = Some(format!("uid-{}", self.store.len()));
                        let name = anomaly.name_any();
                        assert!(!self.store.contains_key(&name), "the name is taken");
                        self.store.insert(name, anomaly.clone());
                        keys.extend(self.book.anomaly(&anomaly));
                    }
                    Todo::Track { name, uid, tracked } => {
                        let anomaly = self.store.get_mut(&name.name).unwrap();
                        assert_eq!(anomaly.metadata.uid, uid);
                        anomaly.status = Some(AnomalyStatus {
                            state: Some(tracked.state),
                            last_seen: Some(tracked.last_seen.clone()),
                            count: Some(tracked.count),
                            resolved_at: tracked.resolved_at.clone(),
                            ..AnomalyStatus::default()
                        });
                        let anomaly = anomaly.clone();
                        keys.extend(self.book.anomaly(&anomaly));
                    }
                }
            }
        }
    }

    fn tell(&mut self, link: LinkId, alert: Alert) {
        let key = self.book.alert(link, alert, self.now);
        self.work(key);
    }

    /// The replica that raises the alerts tells all of them.
    fn account(&mut self, i: usize) {
        let instance = &self.instances[i];
        let link = instance.links.unwrap()[instance.leader];
        self.book.begin(link);
        for id in instance.truth.clone() {
            self.tell(link, wire(id, None, self.now));
        }
        let over = self.book.synced(link, self.now);
        let instance = &mut self.instances[i];
        instance.said = instance.truth.clone();
        instance.said_before.clear();
        instance.complete = true;
        self.work(over);
    }

    fn leader_talks(&self, i: usize) -> Option<LinkId> {
        let instance = &self.instances[i];
        instance.links.filter(|_| instance.connected[instance.leader]).map(|links| links[instance.leader])
    }

    fn connect(&mut self, i: usize, r: usize) {
        let instance = &mut self.instances[i];
        let Some(links) = instance.links else { return };
        instance.connected[r] = true;
        if r == instance.leader {
            self.account(i);
        } else {
            self.book.begin(links[r]);
            self.book.silent(links[r]);
        }
    }

    fn look(&mut self) {
        for instance in &mut self.instances {
            if instance.links.is_none() && self.now.duration_since(instance.since) >= GONE_AFTER {
                // Gone for good.
                instance.said.clear();
                instance.said_before.clear();
                instance.complete = false;
            }
            if !instance.complete && self.now.duration_since(self.restarted) >= GONE_AFTER {
                // Not waited for any more.
                instance.said_before.clear();
            }
        }
        let (over, _) = self.book.look(self.now);
        self.work(over);
    }

    fn join(&mut self, i: usize) {
        let links = [self.next_link, self.next_link + 1];
        self.next_link += 2;
        let instance = &mut self.instances[i];
        instance.links = Some(links);
        instance.connected = [false; REPLICAS];
        instance.since = self.now;
        for link in links {
            self.book.join(link, instance.source.clone(), self.now);
        }
    }

    fn play(&mut self, op: Op) {
        match op {
            Op::Fire(i, a) => {
                self.instances[i].truth.insert(a);
                if let Some(link) = self.leader_talks(i) {
                    self.instances[i].said.insert(a);
                    self.tell(link, wire(a, None, self.now));
                }
            }
            Op::Resolve(i, a) => {
                if self.instances[i].truth.remove(&a)
                    && let Some(link) = self.leader_talks(i)
                {
                    self.instances[i].said.remove(&a);
                    self.tell(link, wire(a, Some(self.now), self.now));
                }
            }
            Op::Late(i, r, a, firing) => {
                let instance = &self.instances[i];
                if let Some(links) = instance.links
                    && r != instance.leader
                {
                    self.tell(links[r], wire(a, (!firing).then_some(self.now), self.now));
                }
            }
            Op::Connect(i, r) => self.connect(i, r),
            Op::Disconnect(i, r) => {
                if let Some(links) = self.instances[i].links {
                    self.instances[i].connected[r] = false;
                    self.book.silent(links[r]);
                }
            }
            Op::Half(i) => {
                let instance = &mut self.instances[i];
                let Some(links) = instance.links else { return };
                let link = links[instance.leader];
                instance.connected[instance.leader] = false;
                let half: Vec<u8> = instance.truth.iter().copied().take(instance.truth.len() / 2).collect();
                instance.said.extend(&half);
                self.book.silent(link);
                self.book.begin(link);
                for id in half {
                    self.tell(link, wire(id, None, self.now));
                }
                self.book.silent(link);
            }
            Op::Lead(i, r) => {
                let instance = &mut self.instances[i];
                let before = std::mem::replace(&mut instance.leader, r);
                if let Some(links) = instance.links
                    && before != r
                {
                    // The new one may be heard before the old one says that it is on standby.
                    if self.instances[i].connected[r] {
                        self.account(i);
                    }
                    self.book.silent(links[before]);
                }
            }
            Op::Remove(i) => {
                if let Some(links) = self.instances[i].links.take() {
                    self.instances[i].since = self.now;
                    for link in links {
                        self.book.leave(link, self.now);
                    }
                }
            }
            Op::Add(i) => {
                if self.instances[i].links.is_none() {
                    self.look();
                    self.join(i);
                }
            }
            Op::Minutes(minutes) => {
                self.now += SignedDuration::from_mins(minutes);
                self.look();
            }
            Op::Restart => self.restart(),
        }
    }

    fn restart(&mut self) {
        self.book = Book::new("ops");
        self.restarted = self.now;
        let mut keys = Vec::new();
        for anomaly in self.store.values() {
            keys.extend(self.book.anomaly(anomaly));
        }
        for i in 0..INSTANCES {
            let instance = &mut self.instances[i];
            let said = std::mem::take(&mut instance.said);
            instance.complete = false;
            instance.since = self.now;
            if instance.links.is_some() {
                instance.said_before.extend(said);
                self.join(i);
            } else {
                // That it told something as well is written nowhere.
                instance.said_before.clear();
            }
        }
        self.work(keys);
        self.look();
    }

    fn open(&self) -> Vec<String> {
        let open = |a: &&Anomaly| a.status.as_ref().and_then(|s| s.state) != Some(AnomalyState::Resolved);
        let mut open: Vec<String> =
            self.store.values().filter(open).map(|a| a.spec.alert_id.clone().unwrap()).collect();
        open.sort();
        open
    }

    fn check(&self) {
        let open = self.open();
        let mut once = open.clone();
        once.dedup();
        assert_eq!(open, once, "one open Anomaly for each alert");
        for instance in &self.instances {
            for id in instance.said.union(&instance.said_before) {
                assert!(
                    open.contains(&format!("a{id}")),
                    "a{id} of {} is over though it said no such thing",
                    instance.source
                );
            }
        }
        for anomaly in self.store.values() {
            let status = anomaly.status.as_ref().unwrap();
            assert_eq!(status.resolved_at.is_some(), status.state == Some(AnomalyState::Resolved));
            assert!(status.resolved_at.as_ref().is_none_or(|Time(at)| *at <= self.now));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_doubled_or_falsely_over(ops in proptest::collection::vec(op(), 1..80)) {
        let mut world = World::new();
        for op in ops {
            world.play(op);
            world.check();
        }
        // In the end everybody is heard.
        for i in 0..INSTANCES {
            for r in 0..REPLICAS {
                world.connect(i, r);
            }
        }
        world.now += SignedDuration::from_mins(30);
        world.look();
        world.now += SignedDuration::from_mins(30);
        world.look();
        world.check();
        let present = world.instances.iter().filter(|instance| instance.links.is_some());
        let truth: BTreeSet<String> = present.flat_map(|i| i.truth.iter().map(|id| format!("a{id}"))).collect();
        prop_assert_eq!(world.open(), truth.into_iter().collect::<Vec<_>>());
    }
}
