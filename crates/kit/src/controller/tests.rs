use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::ConfigMap;

use super::*;
use crate::clock::SystemClock;

#[derive(Debug, thiserror::Error)]
#[error("no luck")]
struct NoLuck(Class);

impl Classified for NoLuck {
    fn class(&self) -> Class {
        self.0
    }
    fn reason(&self) -> &'static str {
        "NoLuck"
    }
}

#[derive(Default)]
struct Log {
    calls: Mutex<Vec<(String, tokio::time::Duration)>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    per_key: Mutex<HashMap<String, usize>>,
}

struct Script<F> {
    log: Arc<Log>,
    began: tokio::time::Instant,
    answer: F,
}

impl<F: Fn(&str, usize) -> Result<Next, NoLuck> + Send + Sync + 'static> Reconcile for Script<F> {
    type K = ConfigMap;
    type Error = NoLuck;

    async fn reconcile(&self, object: Arc<ConfigMap>) -> Result<Next, NoLuck> {
        let name = object.name_any();
        let now = self.log.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.log.most_at_once.fetch_max(now, Ordering::SeqCst);
        let count = {
            let mut per_key = self.log.per_key.lock().unwrap();
            let count = per_key.entry(name.clone()).or_default();
            *count += 1;
            *count
        };
        self.log.calls.lock().unwrap().push((name.clone(), self.began.elapsed()));
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.log.at_once.fetch_sub(1, Ordering::SeqCst);
        (self.answer)(&name, count)
    }
}

fn map(name: &str, version: usize) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.into());
    map.metadata.namespace = Some("a".into());
    map.metadata.resource_version = Some(version.to_string());
    map
}

fn run<F: Fn(&str, usize) -> Result<Next, NoLuck> + Send + Sync + 'static>(
    cache: &Cache<ConfigMap>,
    workers: usize,
    answer: F,
) -> (Arc<Log>, Env) {
    let (supervisor, _watch) = Supervisor::new();
    let env = Env { supervisor, metrics: Metrics::new("test"), clock: Arc::new(SystemClock) };
    let log = Arc::new(Log::default());
    let script = Script { log: log.clone(), began: tokio::time::Instant::now(), answer };
    start(Spec { name: "test", workers, deadline: Duration::from_secs(30) }, cache, script, &env, |_| {});
    (log, env)
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_bounded_and_no_object_is_on_two_workers() {
    let cache = Cache::of((0..20).map(|n| map(&format!("m{n}"), 1)));
    let (log, _env) = run(&cache, 3, |_, _| Ok(Next::OnChange));
    for version in 2..40 {
        cache.apply(map("m0", version));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(log.most_at_once.load(Ordering::SeqCst), 3);
    let calls = log.calls.lock().unwrap();
    let mut of_m0: Vec<_> = calls.iter().filter(|(name, _)| name == "m0").map(|(_, at)| *at).collect();
    of_m0.sort();
    assert!(of_m0.windows(2).all(|pair| pair[1].saturating_sub(pair[0]) >= Duration::from_millis(100)), "{of_m0:?}");
    assert!(of_m0.len() < 39, "changes are joined");
    assert_eq!(calls.iter().filter(|(name, _)| name == "m7").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_transient_error_backs_off_and_a_success_ends_the_row() {
    let cache = Cache::of([map("m", 1)]);
    let (log, _env) =
        run(&cache, 2, |_, count| if count < 5 { Err(NoLuck(Class::Transient)) } else { Ok(Next::OnChange) });
    tokio::time::sleep(Duration::from_mins(1)).await;
    let calls = log.calls.lock().unwrap();
    assert_eq!(calls.len(), 5);
    let gaps: Vec<f64> = calls.windows(2).map(|pair| pair[1].1.saturating_sub(pair[0].1).as_secs_f64()).collect();
    for (gap, base) in gaps.iter().zip([1.0, 2.0, 4.0, 8.0]) {
        assert!((base * 0.8..base * 1.2 + 0.2).contains(gap), "{gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_object_waits_for_its_change() {
    let cache = Cache::of([map("m", 1)]);
    let (log, _env) = run(&cache, 1, |_, _| Err(NoLuck(Class::Invalid)));
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(log.calls.lock().unwrap().len(), 1);
    cache.apply(map("m", 2));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.calls.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_harms_nobody_else() {
    let cache = Cache::of([map("bad", 1), map("good", 1)]);
    let (log, env) = run(&cache, 1, |name, count| {
        assert!(name != "bad" || count > 1, "first look at {name}");
        Ok(Next::OnChange)
    });
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(*log.per_key.lock().unwrap(), HashMap::from([("bad".to_owned(), 2), ("good".to_owned(), 1)]));
    assert!(env.metrics.render().contains("reason=\"Panicked\"} 1"), "{}", env.metrics.render());
}

#[tokio::test(start_paused = true)]
async fn a_due_time_is_kept_and_a_change_comes_before_it() {
    let cache = Cache::of([map("m", 1)]);
    let (log, _env) = run(&cache, 1, |_, _| Ok(Next::After(Duration::from_mins(1))));
    tokio::time::sleep(Duration::from_secs(30)).await;
    cache.apply(map("m", 2));
    tokio::time::sleep(Duration::from_secs(89)).await;
    let seconds: Vec<u64> = log.calls.lock().unwrap().iter().map(|(_, at)| at.as_secs()).collect();
    assert_eq!(seconds, [0, 30, 90]);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_retried_at_once_and_then_like_any_trouble() {
    let cache = Cache::of([map("m", 1)]);
    let (log, _env) =
        run(&cache, 1, |_, count| if count < 4 { Err(NoLuck(Class::Conflict)) } else { Ok(Next::OnChange) });
    tokio::time::sleep(Duration::from_mins(1)).await;
    let calls = log.calls.lock().unwrap();
    let gaps: Vec<f64> = calls.windows(2).map(|pair| pair[1].1.saturating_sub(pair[0].1).as_secs_f64() - 0.1).collect();
    assert_eq!(gaps.len(), 3);
    assert!(gaps[0] < 0.05 && gaps[1] > 0.7 && gaps[2] > 1.5, "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_that_wakes_itself_is_no_hot_loop() {
    for (failing, at_most) in [(false, 60 + 5 * 60), (true, 61)] {
        let cache = Cache::of([map("m", 1)]);
        let writes_itself = cache.clone();
        let (log, _env) = run(&cache, 1, move |_, count| {
            writes_itself.apply(map("m", count + 1));
            if failing { Err(NoLuck(Class::Transient)) } else { Ok(Next::OnChange) }
        });
        tokio::time::sleep(Duration::from_mins(1)).await;
        let calls = log.calls.lock().unwrap().len();
        assert!((30..=at_most).contains(&calls), "{calls} reconciles in a minute");
    }
}

#[tokio::test]
async fn a_change_reaches_a_free_worker_within_a_millisecond() {
    struct Note(tokio::sync::mpsc::UnboundedSender<std::time::Instant>);
    impl Reconcile for Note {
        type K = ConfigMap;
        type Error = NoLuck;
        async fn reconcile(&self, _: Arc<ConfigMap>) -> Result<Next, NoLuck> {
            let _ = self.0.send(std::time::Instant::now());
            Ok(Next::OnChange)
        }
    }
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let (supervisor, _watch) = Supervisor::new();
    let env = Env { supervisor, metrics: Metrics::new("test"), clock: Arc::new(SystemClock) };
    let cache = Cache::default();
    start(Spec { name: "test", workers: 4, deadline: Duration::from_secs(30) }, &cache, Note(sender), &env, |_| {});
    let mut times = Vec::new();
    for number in 0..200 {
        let began = std::time::Instant::now();
        cache.apply(map(&format!("m{number}"), 1));
        times.push(seen.recv().await.unwrap() - began);
    }
    times.sort();
    // The median: the machine may be busy.
    assert!(times[100] < Duration::from_millis(1), "{:?}", times[100]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_object_is_told_once_and_its_delay_forgotten() {
    #[derive(Default)]
    struct Gone(Mutex<Vec<Key>>);
    impl Reconcile for Arc<Gone> {
        type K = ConfigMap;
        type Error = NoLuck;
        async fn reconcile(&self, _: Arc<ConfigMap>) -> Result<Next, NoLuck> {
            Err(NoLuck(Class::Transient))
        }
        fn deleted(&self, key: &Key) {
            self.0.lock().unwrap().push(key.clone());
        }
    }
    let gone = Arc::new(Gone::default());
    let (supervisor, _watch) = Supervisor::new();
    let env = Env { supervisor, metrics: Metrics::new("test"), clock: Arc::new(SystemClock) };
    let cache = Cache::of([map("m", 1)]);
    start(Spec { name: "test", workers: 2, deadline: Duration::from_secs(30) }, &cache, gone.clone(), &env, |_| {});
    tokio::time::sleep(Duration::from_millis(100)).await;
    cache.delete(&Key::new("a", "m"));
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(*gone.0.lock().unwrap(), [Key::new("a", "m")]);
}

#[test]
fn a_chain_says_everything_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot write the status")]
    struct Outer(#[source] NoLuck);
    assert_eq!(chain(&Outer(NoLuck(Class::Transient))), "cannot write the status: no luck");
}
