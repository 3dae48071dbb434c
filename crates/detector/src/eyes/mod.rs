//! Changes wake looks, looks make alerts.
//!
//! What lives here: the workers, the book of alerts and who hears of it; the listeners are in `listen`. What does not: how
//! a view is put together (`view`), and what a symptom is (`domain::detection`).

mod listen;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use api::shared::ObjectRef;
use domain::detection::alertmanager::Inbox;
use domain::detection::{Alert, AlertBook, Evaluation, Transition, WorkloadView, evaluate, evaluate_node};
use domain::diagnosis::refs::references;
use domain::graph::controller;
use jiff::{SignedDuration, Timestamp};
use kit::cache::Key as Place;
use kit::clock::Clock;
use kit::controller::Env;
use kube::Resource;
use tokio::sync::broadcast;

use crate::caches::Caches;
use crate::graph::{Around, EVERYWHERE, Graphs};
use crate::history::Histories;
use crate::index::Index;
use crate::key::{Key, Kind};
use crate::looks::Looks;
use crate::measure::Measures;
use crate::reported::Reports;
use crate::scope::{Hosts, Wanted};
use crate::view::{self, of_pod, of_set};
use kit::work::Work;

/// Changes that a receiver may be behind before it has to take a new snapshot.
const BACKLOG: usize = 1024;
/// Something that has an open alert is looked at this often although nothing changes: what an observation says of now
/// fades with its age.
const OPEN: SignedDuration = SignedDuration::from_mins(1);

struct Book {
    alerts: AlertBook,
    /// What is wrong around workloads.
    around: AlertBook,
    /// What numbers tell.
    measured: AlertBook,
    /// Objects at fault that were known when a workload's first alert opened; they are its root until it is well.
    joined: HashMap<ObjectRef, ObjectRef>,
    news: broadcast::Sender<Transition>,
}

/// What has not been looked at since the start.
#[derive(Default)]
struct First {
    /// None until the caches are filled.
    left: Option<HashSet<Key>>,
    of: usize,
}

/// Everything that the workers share.
pub(crate) struct Eyes {
    pub(crate) caches: Caches,
    pub(crate) histories: Arc<Histories>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) graphs: Graphs,
    pub(crate) measures: Measures,
    wanted: Wanted,
    /// Lines of a container's log that an analysis reads.
    pub(crate) log_lines: u32,
    looks: Looks,
    pub(crate) reports: Reports,
    /// When time alone may end a report.
    pub(crate) expiry: Work<()>,
    hosts: Mutex<Hosts>,
    pub(crate) index: RwLock<Index>,
    work: Work<Key>,
    book: Mutex<Book>,
    first: Mutex<First>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Eyes {
    /// Listens to the caches; nothing is concluded before [`Eyes::open`].
    pub(crate) fn new(
        (caches, around): (Caches, Around),
        histories: Arc<Histories>,
        clock: Arc<dyn Clock>,
        wanted: Wanted,
        (log_lines, looks, reports): (u32, Looks, Reports),
    ) -> Arc<Self> {
        let book = Book {
            alerts: AlertBook::default(),
            around: AlertBook::default(),
            measured: AlertBook::default(),
            joined: HashMap::new(),
            news: broadcast::Sender::new(BACKLOG),
        };
        let eyes = Arc::new(Self {
            caches,
            histories,
            clock,
            graphs: Graphs::new(around),
            measures: Measures::default(),
            wanted,
            log_lines,
            looks,
            reports,
            expiry: Work::default(),
            hosts: Mutex::default(),
            index: RwLock::default(),
            work: Work::default(),
            book: Mutex::new(book),
            first: Mutex::default(),
        });
        eyes.listen();
        eyes
    }

    fn add(&self, key: Key) {
        if self.wants(&key) {
            self.work.add(key);
        }
    }

    /// Whether something is looked at.
    pub(crate) fn wants(&self, key: &Key) -> bool {
        match key.kind {
            Kind::Node => self.wanted.all() || lock(&self.hosts).has(&key.place.name),
            // Whoever names a CronJob means its Jobs.
            Kind::Job => self.wanted.workload(key) || self.maker(key).is_some_and(|cron| self.wanted.workload(&cron)),
            _ => self.wanted.workload(key),
        }
    }

    /// The CronJob that made a Job.
    fn maker(&self, key: &Key) -> Option<Key> {
        let job = self.caches.jobs.find(&key.place.namespace, &key.place.name)?;
        let maker = controller(job.facts.meta())?;
        Some(Key::new(Kind::CronJob, &key.place.namespace, &maker.name))
    }

    /// Notes on which nodes a workload is. A node that begins to matter is looked at, one that ceases to is forgotten.
    fn host(&self, workload: &Key, nodes: BTreeSet<String>) {
        let changed = lock(&self.hosts).set(workload, nodes);
        for node in changed {
            let key = Key::new(Kind::Node, "", &node);
            let mut first = lock(&self.first);
            // The first look at a workload includes its nodes.
            if let Some(left) = first.left.as_mut().filter(|left| !left.is_empty())
                && left.insert(key.clone())
            {
                first.of += 1;
            }
            drop(first);
            self.work.add(key);
        }
    }

    /// A node came, went, or changed its mind about being ready: rare enough for a walk over the pods.
    fn wake_pods_of(&self, node: &str) {
        for pod in self.caches.pods.all() {
            if pod.facts.node.as_deref() == Some(node)
                && let Some(key) = of_pod(&self.caches, &pod)
            {
                self.add(key);
            }
        }
    }

    /// The workload that an object belongs to.
    pub(crate) fn of_object(&self, object: &ObjectRef) -> Option<Key> {
        let kind: Kind = object.kind.parse().ok()?;
        let namespace = object.namespace.as_deref().unwrap_or_default();
        self.workload(Key::new(kind, namespace, &object.name))
    }

    /// The workload behind a key: pods and ReplicaSets may be part of one. Something that is not there stands for itself.
    pub(crate) fn workload(&self, key: Key) -> Option<Key> {
        let (namespace, name) = (&key.place.namespace, &key.place.name);
        match key.kind {
            Kind::Pod => match self.caches.pods.find(namespace, name) {
                Some(pod) => of_pod(&self.caches, &pod),
                None => Some(key),
            },
            Kind::ReplicaSet => Some(self.caches.replica_sets.find(namespace, name).map_or(key, |set| of_set(&set))),
            _ => Some(key),
        }
    }

    /// Starts the workers; they wait for `filled`. Returns what tells when looking has begun.
    pub(crate) fn open(
        self: &Arc<Self>,
        workers: usize,
        env: &Env,
        filled: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::sync::watch::Receiver<bool> {
        let began = tokio::sync::watch::Sender::new(false);
        for _ in 0..workers.max(1) {
            self.worker("detector", env, began.subscribe(), self.work.clone(), Self::look_safely);
        }
        self.worker("detector-graph", env, began.subscribe(), self.graphs.work.clone(), Self::survey_safely);
        self.open_reports(env);
        let begun = began.subscribe();
        let (eyes, token) = (self.clone(), env.supervisor.token().clone());
        env.supervisor.spawn("detector-start", async move {
            if token.run_until_cancelled(filled).await.is_some() {
                eyes.begin();
                began.send_replace(true);
            }
            // Its work is done, but only the stop of the process may end a task.
            token.cancelled().await;
            Ok::<_, std::convert::Infallible>(())
        });
        begun
    }

    /// Notes what has to be looked at before silence means anything.
    fn begin(&self) {
        let keys = self.keys();
        let mut first = lock(&self.first);
        first.of = keys.len();
        first.left = Some(keys.iter().cloned().collect());
        drop(first);
        let mut namespaces: HashSet<String> = keys.iter().map(|key| key.place.namespace.clone()).collect();
        namespaces.extend(self.namespaces());
        namespaces.remove(EVERYWHERE);
        self.graphs.begin(namespaces, self.clock.now());
        for key in keys {
            self.work.add(key);
        }
    }

    /// Everything that is looked at.
    pub(crate) fn keys(&self) -> HashSet<Key> {
        fn of<K: Resource>(kind: Kind, objects: Vec<Arc<K>>) -> impl Iterator<Item = Key> {
            objects.into_iter().map(move |object| Key { kind, place: Place::of(&*object) })
        }
        let caches = &self.caches;
        of(Kind::Deployment, caches.deployments.all())
            .chain(of(Kind::StatefulSet, caches.stateful_sets.all()))
            .chain(of(Kind::DaemonSet, caches.daemon_sets.all()))
            .chain(of(Kind::Node, caches.nodes.all()))
            .chain(of(Kind::Job, caches.jobs.all()))
            .chain(caches.replica_sets.all().iter().map(|set| of_set(set)).filter(|key| key.kind == Kind::ReplicaSet))
            .chain(caches.pods.all().iter().filter_map(|p| of_pod(caches, p)).filter(|key| key.kind == Kind::Pod))
            .filter(|key| self.wants(key))
            .collect()
    }

    /// How many workloads there are.
    pub(crate) fn workloads(&self) -> usize {
        self.keys().iter().filter(|key| key.kind != Kind::Node).count()
    }

    /// How many things were not looked at since the start, of how many; none before the caches are filled.
    pub(crate) fn first_looks(&self) -> Option<(usize, usize)> {
        // Numbers that are awaited count like a namespace.
        let graphs = self.graphs.left()? + self.measures.left();
        let first = lock(&self.first);
        // The configuration of a namespace counts as one thing more to look at.
        first.left.as_ref().map(|left| (left.len() + graphs, first.of.max(left.len() + graphs)))
    }

    /// Whether nothing is left of the first look that `of` is about.
    pub(crate) fn looked(&self, of: impl Fn(&Key) -> bool) -> bool {
        lock(&self.first).left.as_ref().is_some_and(|left| !left.iter().any(of))
    }

    /// Whether a workload is there.
    pub(crate) fn exists(&self, key: &Key) -> bool {
        let (namespace, name) = (key.place.namespace.as_str(), key.place.name.as_str());
        let caches = &self.caches;
        match key.kind {
            Kind::Deployment => caches.deployments.find(namespace, name).is_some(),
            Kind::StatefulSet => caches.stateful_sets.find(namespace, name).is_some(),
            Kind::DaemonSet => caches.daemon_sets.find(namespace, name).is_some(),
            Kind::ReplicaSet => caches.replica_sets.find(namespace, name).is_some(),
            Kind::Pod => caches.pods.find(namespace, name).is_some(),
            Kind::Job => caches.jobs.find(namespace, name).is_some(),
            Kind::CronJob => self.graphs.around.cron_jobs.find(namespace, name).is_some(),
            Kind::Node => caches.nodes.find("", name).is_some(),
        }
    }

    /// How many pods a workload wishes for.
    pub(crate) fn desired(&self, key: &Key) -> i32 {
        let (namespace, name) = (key.place.namespace.as_str(), key.place.name.as_str());
        let caches = &self.caches;
        let desired = match key.kind {
            Kind::Deployment => caches.deployments.find(namespace, name).map(|found| found.facts.desired),
            Kind::StatefulSet => caches.stateful_sets.find(namespace, name).map(|found| found.facts.desired),
            Kind::DaemonSet => caches.daemon_sets.find(namespace, name).map(|found| found.facts.desired),
            Kind::ReplicaSet => caches.replica_sets.find(namespace, name).map(|found| found.facts.desired),
            Kind::Pod => Some(1),
            Kind::Job => caches.jobs.find(namespace, name).and_then(|job| job.facts.spec.as_ref()?.parallelism),
            Kind::CronJob | Kind::Node => None,
        };
        desired.unwrap_or_default()
    }

    fn look_safely(&self, key: &Key, env: &Env) -> Option<tokio::time::Instant> {
        let (next, took) = self.survive("detector", key, env, || self.look(key));
        self.looks.looked(self.wanted.label(key), took, next.is_err());
        if let Some(left) = &mut lock(&self.first).left {
            left.remove(key);
            if left.is_empty() {
                left.shrink_to_fit();
            }
        }
        next.unwrap_or_else(Some)
    }

    /// Notes what is wrong with an object around workloads; returns when the book wants to look again.
    pub(crate) fn note(&self, object: &ObjectRef, found: &Evaluation, now: Timestamp) -> Option<Timestamp> {
        lock(&self.book).update(|book| &mut book.around, object, found, now)
    }

    /// Notes what numbers tell of an object; returns when the book wants to look again.
    pub(crate) fn note_measured(&self, object: &ObjectRef, found: &Evaluation, now: Timestamp) -> Option<Timestamp> {
        lock(&self.book).update(|book| &mut book.measured, object, found, now)
    }

    /// An object of which numbers told is gone.
    pub(crate) fn forget_measured(&self, object: &ObjectRef, now: Timestamp) {
        let mut book = lock(&self.book);
        let over = book.measured.forget(object, now);
        book.tell(over);
    }

    /// The workloads of a namespace that have open alerts, by kind and name.
    pub(crate) fn troubled(&self, namespace: &str) -> HashSet<(String, String)> {
        let book = lock(&self.book);
        let here = book.alerts.workloads().filter(|object| object.namespace.as_deref() == Some(namespace));
        here.map(|object| (object.kind.clone(), object.name.clone())).collect()
    }

    /// Whether every workload of a namespace is looked at.
    pub(crate) fn watches(&self, namespace: &str) -> bool {
        self.wanted.whole(namespace)
    }

    /// Whether a workload has an open alert of its own.
    pub(crate) fn is_troubled(&self, workload: &ObjectRef) -> bool {
        lock(&self.book).alerts.workloads().any(|known| known == workload)
    }

    /// The object at fault that the symptoms of a workload were joined to.
    pub(crate) fn joined_root(&self, workload: &ObjectRef) -> Option<ObjectRef> {
        let book = lock(&self.book);
        let open = book.alerts.workloads().any(|other| is_called(other, workload));
        book.joined.iter().find(|(joined, _)| open && is_called(joined, workload)).map(|(_, root)| root.clone())
    }

    /// Whether the value of an open alert of any workload is such.
    pub(crate) fn any_alert(&self, is: impl Fn(&str) -> bool) -> bool {
        lock(&self.book).alerts.open().any(|alert| is(&alert.value))
    }

    /// A millisecond more, so that the rule which asked for it finds its time come.
    pub(crate) fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default() + Duration::from_millis(1)
    }

    fn look(&self, key: &Key) -> Option<Timestamp> {
        let now = self.clock.now();
        let found = self.evaluate(key, now);
        // This takes locks of its own.
        let root = found.as_ref().and_then(|(object, found)| self.root_for(key, object, &found.symptoms));
        let mut book = lock(&self.book);
        let Some((object, mut found)) = found else {
            let over = book.alerts.forget(&key.reference(None), now);
            self.told(&key.place.namespace, &over);
            book.tell(over);
            self.measures.gone(key);
            return None;
        };
        book.join(&object, &mut found, root);
        let (changes, again) = book.alerts.update(&object, &found, now);
        self.told(&key.place.namespace, &changes);
        book.tell(changes);
        let open = book.alerts.workloads().any(|other| *other == object);
        let open = open.then(|| now.saturating_add(OPEN).unwrap_or(now));
        [found.next_look, again, open].into_iter().flatten().min()
    }

    fn evaluate(&self, key: &Key, now: Timestamp) -> Option<(ObjectRef, Evaluation)> {
        if key.kind == Kind::Node {
            let node = self.caches.nodes.find("", &key.place.name).filter(|_| self.wants(key))?;
            return Some((
                key.reference(node.metadata.uid.clone()),
                evaluate_node(&node, self.graphs.fell(&key.place.name), now),
            ));
        }
        let view = self.view(key);
        if !self.wanted.all() {
            let pods = view.iter().flat_map(|view| &view.pods);
            self.host(key, pods.filter_map(|pod| pod.pod.spec.as_ref()?.node_name.clone()).collect());
        }
        let view = view?;
        let found = evaluate(&view, now);
        Some((view.workload, found))
    }

    /// A workload as it is now.
    pub(crate) fn view(&self, key: &Key) -> Option<WorkloadView> {
        view::build(&self.caches, &self.index.read().unwrap_or_else(PoisonError::into_inner), key)
    }

    pub(crate) fn alerts(&self) -> Vec<Alert> {
        let mut all = lock(&self.book).open();
        self.reports.with(|inbox| all.extend(inbox.open().cloned()));
        all
    }

    /// The open alerts about what a workload itself goes through; what the graph shows of it is not among them.
    pub(crate) fn alerts_of(&self, workload: &ObjectRef) -> Vec<Alert> {
        let book = lock(&self.book);
        let own = book.alerts.open().chain(book.measured.open());
        own.filter(|alert| alert.workload == *workload).cloned().collect()
    }

    pub(crate) fn alert_count(&self) -> usize {
        let book = lock(&self.book);
        book.alerts.len() + book.around.len() + book.measured.len() + self.reports.with(|inbox| inbox.len())
    }

    pub(crate) fn watch(&self) -> (Vec<Alert>, broadcast::Receiver<Transition>) {
        let book = lock(&self.book);
        let mut all = book.open();
        // Ends too: who was away when one was told would wait for it in vain.
        self.reports.with(|inbox| all.extend(inbox.open().chain(inbox.ended()).cloned()));
        (all, book.news.subscribe())
    }

    /// Changes what was reported, and tells the changes; whoever takes a snapshot meanwhile misses none.
    pub(crate) fn reported<T>(&self, change: impl FnOnce(&mut Inbox) -> (T, Vec<Transition>)) -> T {
        let book = lock(&self.book);
        let (answer, changes) = self.reports.with(change);
        book.tell(changes);
        answer
    }

    /// What is known to be at fault where an object has open alerts.
    pub(crate) fn known_root(&self, object: &ObjectRef) -> Option<ObjectRef> {
        let book = lock(&self.book);
        let all = book.alerts.open().chain(book.around.open());
        let ours = all.filter(|alert| is_called(&alert.workload, object) || is_called(&alert.root, object));
        ours.max_by_key(|alert| alert.rule).map(|alert| alert.root.clone())
    }

    /// Whether everything is watched.
    pub(crate) fn watches_all(&self) -> bool {
        self.wanted.all()
    }

    /// The ConfigMaps that a pod or a revision refers to.
    pub(crate) fn referred(&self) -> HashSet<Place> {
        let mut found = HashSet::new();
        let mut add = |namespace: &str, spec: &k8s_openapi::api::core::v1::PodSpec| {
            let maps = references(spec).into_iter().filter(|reference| reference.kind == "ConfigMap");
            found.extend(maps.map(|reference| Place::new(namespace, reference.name)));
        };
        for pod in self.caches.pods.all() {
            add(pod.namespace(), &pod.facts.spec);
        }
        for set in self.caches.replica_sets.all() {
            if let Some(spec) = set.facts.template().spec.filter(|_| set.facts.desired > 0) {
                add(set.namespace(), &spec);
            }
        }
        found
    }
}

/// Whether two references have the same kind, namespace and name; that says nothing about UIDs.
fn is_called(a: &ObjectRef, b: &ObjectRef) -> bool {
    (&a.kind, &a.namespace, &a.name) == (&b.kind, &b.namespace, &b.name)
}

impl Book {
    fn open(&self) -> Vec<Alert> {
        self.alerts.open().chain(self.around.open()).chain(self.measured.open()).cloned().collect()
    }

    /// Lets the first symptoms of a workload point to the object at fault that is known already: they are of one incident.
    fn join(&mut self, workload: &ObjectRef, found: &mut Evaluation, root: Option<ObjectRef>) {
        if !self.alerts.workloads().any(|other| other == workload) {
            self.joined.remove(workload);
            if let Some(root) = root {
                self.joined.insert(workload.clone(), root);
            }
        }
        let Some(root) = self.joined.get(workload) else { return };
        for symptom in found.symptoms.iter_mut().filter(|symptom| symptom.root == *workload) {
            symptom.root = root.clone();
        }
    }

    /// Takes what a look found into one of the books, and tells the changes; returns when the book wants to look again.
    fn update(
        &mut self,
        of: fn(&mut Self) -> &mut AlertBook,
        object: &ObjectRef,
        found: &Evaluation,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (changes, again) = of(self).update(object, found, now);
        self.tell(changes);
        again
    }

    fn tell(&self, changes: Vec<Transition>) {
        for change in changes {
            let alert = change.alert();
            tracing::debug!(id = alert.id, workload = %alert.workload.name, rule = %alert.rule, "{}", alert.message);
            // Nobody may be listening.
            let _ = self.news.send(change);
        }
    }
}
