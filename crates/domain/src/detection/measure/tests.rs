//! Numbers become symptoms when they should, and whatever looks alike and is healthy stays silent.

use std::fmt::Write as _;

use api::shared::{ObjectRef, Severity, SignalType};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::detection::Symptom;
use crate::detection::fixtures::{at, container, pod, view, with, workload};

const YOUNG: SignedDuration = SignedDuration::from_secs(30);
const OLD: SignedDuration = SignedDuration::from_hours(5);

fn read(text: &str) -> Tally {
    Tally::read(text.as_bytes(), |_| true, &[])
}

/// What an application of the usual shape tells: requests, failed ones, and those slower than a second, since its start.
fn told(all: u32, failed: u32, slow: u32) -> Tally {
    let fine = all - failed;
    let fast = all - slow;
    read(&format!(
        "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n\
         http_requests_total{{method=\"GET\",path=\"/\",code=\"200\"}} {fine}\n\
         http_requests_total{{method=\"POST\",path=\"/pay\",code=\"503\"}} {failed} 1700000000000\n\
         http_request_duration_seconds_bucket{{le=\"0.1\"}} {fast}\n\
         http_request_duration_seconds_bucket{{le=\"1\"}} {fast}\n\
         http_request_duration_seconds_bucket{{le=\"5\"}} {all}\n\
         http_request_duration_seconds_bucket{{le=\"+Inf\"}} {all}\n\
         http_request_duration_seconds_count {all}\n"
    ))
}

/// A meter that is read every 30 s.
struct Bench {
    meter: Meter,
    thresholds: Thresholds,
    second: i64,
    sum: (u32, u32, u32),
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self { meter: Meter::default(), thresholds: Thresholds::default(), second: 0, sum: (0, 0, 0) };
        bench.sum = (10_000, 10, 0);
        bench.meter.read("web-1", told(10_000, 10, 0), OLD, at(0));
        bench
    }

    fn judge(&mut self) -> Vec<Symptom> {
        let object = workload();
        let subject = Subject { workload: &object, container: Some("web"), thresholds: &self.thresholds, began: false };
        self.meter.judge(subject, at(self.second))
    }

    /// The next reading, after so many more requests.
    fn next(&mut self, all: u32, failed: u32, slow: u32) -> Vec<Symptom> {
        self.second += 30;
        self.sum = (self.sum.0 + all, self.sum.1 + failed, self.sum.2 + slow);
        let (all, failed, slow) = self.sum;
        self.meter.read("web-1", told(all, failed, slow), OLD, at(self.second));
        self.judge()
    }
}

#[test]
fn a_line_is_read_as_it_is_meant() {
    let text =
        b"a 1\nb{x=\"1\",y=\"a \\\"b\\\" }\\n\\\\\"} 2.5e3 123 # {trace=\"x\"} 1\n c { le = \"+Inf\" , } +Inf\nd{} 4";
    let found: Vec<_> = samples(text).collect();
    let names: Vec<(&str, f64)> = found.iter().map(|sample| (sample.name, sample.value)).collect();
    assert_eq!(names, [("a", 1.0), ("b", 2500.0), ("d", 4.0)]);
    assert_eq!(found[1].label("y").unwrap(), "a \"b\" }\n\\");
    assert_eq!(found[1].label("z"), None);
}

#[test]
fn what_is_no_metric_is_passed_over() {
    let long = format!("http_requests_total{{code=\"500\",x=\"{}\"}} 5", "y".repeat(100_000));
    for text in [
        "",
        "<html><body>http_requests_total{code=\"500\"} 5</body></html>",
        "http_requests_total{code=\"500\" 5",
        "http_requests_total{code=\"500\"}",
        "http_requests_total{code=\"500\"} NaN",
        "http_requests_total{code=\"500\"} -Inf",
        "http_requests_total{code=\"500\"} -3",
        "http_requests_total{code=500} 3",
        "http_requests_total 7",
        "http_requests_total{code=\"banana\"} 7",
        "http_requests_total{code=\"0\"} 7",
        "\u{0}\u{1}\u{2}{}}}}{{{ 5",
        &long,
    ] {
        assert!(read(text).is_empty(), "{text:.80}");
    }
    let huge = read("http_requests_total{code=\"500\"} 1e308\nhttp_requests_total{code=\"501\"} 1e308");
    assert!(huge.requests["http_requests_total"].share().is_nan());
}

proptest! {
    #[test]
    fn bytes_of_any_kind_do_no_harm(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let tally = Tally::read(&body, |_| true, &[]);
        let _ = tally.since(&Tally::default());
    }

    #[test]
    fn lines_of_any_kind_do_no_harm(line in "http_requests_total[{}\",=\\\\a-z0-9 .\n-]{0,80}") {
        let _ = Tally::read(line.as_bytes(), |_| true, &[]);
    }
}

#[test]
fn a_megabyte_of_series_is_kept_small() {
    let mut text = String::new();
    for n in 0..20_000 {
        let _ = writeln!(text, "http_requests_total{{path=\"/p{n}\",code=\"500\"}} 1");
        let _ = writeln!(text, "f{n}_requests_total{{code=\"500\"}} 1");
        let _ = writeln!(text, "http_request_duration_seconds_bucket{{le=\"{n}\"}} {n}");
    }
    let tally = read(&text);
    assert!(tally.requests.len() <= 8 && tally.times["http_request_duration_seconds"].buckets.len() <= 64);
    let requests = &tally.requests["http_requests_total"];
    assert_eq!((requests.all, requests.failed), (20_000.0, 20_000.0));
    assert!(requests.what.len() <= 12);
}

#[test]
fn the_usual_shapes_are_known() {
    for (text, share) in [
        ("http_requests_total{code=\"5xx\"} 1\nhttp_requests_total{code=\"2xx\"} 3", 0.25),
        ("http_requests_total{status=\"500\"} 1\nhttp_requests_total{status=\"404\"} 3", 0.25),
        ("http_server_request_duration_seconds_count{http_response_status_code=\"502\",http_route=\"/a\"} 1", 1.0),
        ("http_server_requests_seconds_count{status=\"500\",uri=\"/a\",method=\"GET\"} 1", 1.0),
        ("flask_http_request_total{status=\"200\",method=\"GET\"} 1", 0.0),
        ("istio_requests_total{response_code=\"503\",reporter=\"destination\"} 2", 1.0),
        (
            "grpc_server_handled_total{grpc_code=\"Internal\",grpc_type=\"unary\"} 1\ngrpc_server_handled_total{grpc_code=\"NotFound\"} 1",
            0.5,
        ),
        (
            "rpc_server_duration_milliseconds_count{rpc_grpc_status_code=\"14\"} 1\nrpc_server_duration_milliseconds_count{rpc_grpc_status_code=\"0\"} 1",
            0.5,
        ),
    ] {
        let tally = read(text);
        let found: Vec<f64> = tally.requests.values().map(Requests::share).collect();
        assert_eq!(found, [share], "{text}");
    }
    // What it asks of others, and what has no status, is not what it is asked.
    for text in [
        "rest_client_requests_total{code=\"500\"} 4",
        "http_client_requests_seconds_count{status=\"500\"} 4",
        "grpc_client_handled_total{grpc_code=\"Internal\"} 4",
        "envoy_cluster_upstream_rq_total{code=\"503\"} 4",
        "jobs_total{status=\"5\"} 4",
        "http_response_size_bytes_bucket{le=\"5\"} 4",
        "apiserver_request_duration_seconds_bucket{verb=\"WATCH\",le=\"60\"} 4",
    ] {
        assert!(read(text).is_empty(), "{text}");
    }
}

#[test]
fn what_probes_ask_is_not_counted() {
    let text = "http_requests_total{code=\"503\",path=\"/ready\"} 90\nhttp_requests_total{code=\"200\",path=\"/metrics\"} 9\nhttp_requests_total{code=\"200\",path=\"/\"} 1";
    let skipped = ["/ready".to_owned(), "/metrics".to_owned()];
    let tally = Tally::read(text.as_bytes(), |_| true, &skipped);
    assert_eq!((tally.requests["http_requests_total"].all, tally.requests["http_requests_total"].failed), (1.0, 0.0));
}

#[test]
fn errors_that_last_are_a_symptom_and_are_over_when_they_are() {
    let mut bench = Bench::new();
    assert_eq!(bench.next(300, 0, 0), []);
    assert_eq!(bench.next(300, 60, 0), []);
    assert_eq!(bench.next(300, 60, 0), []);
    let found = bench.next(300, 60, 0);
    assert_eq!(found.len(), 1);
    let symptom = &found[0];
    assert_eq!((symptom.signal, symptom.severity, symptom.since), (SignalType::ErrorRate, Severity::High, at(60)));
    assert_eq!((symptom.value.as_str(), symptom.threshold.as_str()), ("20 %", "less than 5 %"));
    assert_eq!(symptom.message, "20 % of the requests to Deployment web fail (mostly POST /pay 503)");
    assert_eq!(symptom.evidence[0].detail, "http_requests_total: 60 of 300 requests failed in 30 s");
    assert_eq!(symptom.pod.as_ref().unwrap().name, "web-1");
    // A single good reading between bad ones changes nothing.
    assert_eq!(bench.next(300, 0, 0).len(), 1);
    assert_eq!(bench.next(300, 200, 0)[0].severity, Severity::Critical);
    assert_eq!(bench.next(300, 13, 0).len(), 1, "between what closes and what opens");
    assert_eq!(bench.next(300, 0, 0).len(), 1);
    assert_eq!(bench.next(300, 0, 0).len(), 1);
    assert_eq!(bench.next(300, 0, 0), []);
}

#[test]
fn what_looks_like_errors_and_is_healthy_is_silent() {
    // Errors in the life of the process, none now.
    let mut bench = Bench::new();
    bench.sum = (20_000, 9_000, 0);
    bench.second += 30;
    bench.meter.read("web-1", told(20_000, 9_000, 0), OLD, at(bench.second));
    let mut bench = Bench { meter: Meter::default(), ..bench };
    for _ in 0..10 {
        assert_eq!(bench.next(300, 0, 0), [], "errors of long ago");
    }
    // A burst, as of a rollout or a drain.
    let mut bench = Bench::new();
    for round in 0..20 {
        let failed = if round % 5 == 0 { 200 } else { 0 };
        assert_eq!(bench.next(300, failed, 0), [], "a burst in one reading");
    }
    // Few requests of which some fail, and a share that is small.
    let mut bench = Bench::new();
    for _ in 0..20 {
        assert_eq!(bench.next(100, 4, 0), []);
    }
    let mut bench = Bench::new();
    for round in 0..20 {
        assert_eq!(bench.next(1, u32::from(round % 10 == 0), 0), [], "one lone failure now and then");
    }
    // Nobody asks.
    let mut bench = Bench::new();
    for _ in 0..20 {
        assert_eq!(bench.next(0, 0, 0), []);
    }
}

#[test]
fn errors_of_few_requests_are_found_too() {
    let mut bench = Bench::new();
    let first = (1..20).find(|_| !bench.next(3, 3, 0).is_empty());
    assert!(first.is_some_and(|rounds| rounds <= 6), "{first:?}");
}

#[test]
fn a_counter_that_begins_anew_is_no_step_and_hides_none() {
    let before = read(
        "process_start_time_seconds 1000\nhttp_requests_total{code=\"200\"} 5000\nhttp_requests_total{code=\"500\"} 50",
    );
    let after = read(
        "process_start_time_seconds 2000\nhttp_requests_total{code=\"200\"} 90\nhttp_requests_total{code=\"500\"} 10",
    );
    let growth = after.since(&before).requests.remove("http_requests_total").unwrap();
    assert_eq!((growth.all, growth.failed), (100.0, 10.0));
    // The same without a time of start; and one that has already more than before.
    let plain = |all: u32, failed: u32| {
        read(&format!("http_requests_total{{code=\"200\"}} {all}\nhttp_requests_total{{code=\"500\"}} {failed}"))
    };
    let growth = plain(90, 10).since(&plain(5000, 50)).requests.remove("http_requests_total").unwrap();
    assert_eq!((growth.all, growth.failed), (100.0, 10.0));
    let grown = read("process_start_time_seconds 2000\nhttp_requests_total{code=\"200\"} 9000");
    let growth = grown.since(&before).requests.remove("http_requests_total").unwrap();
    assert_eq!((growth.all, growth.failed), (9000.0, 0.0));
}

#[test]
fn a_pod_that_was_not_read_for_long_begins_anew() {
    let mut bench = Bench::new();
    bench.second = 3600;
    bench.sum = (20_000, 9_000, 0);
    bench.meter.read("web-1", told(20_000, 9_000, 0), OLD, at(3600));
    for _ in 0..5 {
        assert_eq!(bench.next(300, 0, 0), []);
    }
}

#[test]
fn what_was_there_before_the_start_asks_for_no_hold() {
    let object = workload();
    let thresholds = Thresholds::default();
    let subject = Subject { workload: &object, container: None, thresholds: &thresholds, began: true };
    let mut meter = Meter::default();
    meter.read("web-1", told(1000, 0, 0), OLD, at(0));
    assert_eq!(meter.judge(subject, at(0)), []);
    meter.read("web-1", told(1100, 50, 0), OLD, at(5));
    assert_eq!(meter.judge(subject, at(5)).len(), 1);
}

#[test]
fn requests_that_are_slower_than_usual_are_a_symptom() {
    let mut bench = Bench::new();
    assert_eq!(bench.next(300, 0, 0), []);
    assert_eq!(bench.next(300, 0, 30), []);
    assert_eq!(bench.next(300, 0, 30), []);
    let found = bench.next(300, 0, 30);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].signal, found[0].severity), (SignalType::Latency, Severity::Medium));
    assert_eq!(found[0].threshold, "p99 of at most 1 s");
    assert_eq!(
        found[0].message,
        "the slowest 1 % of the requests to Deployment web take more than 4.6 s, usually at most 100 ms"
    );
    assert_eq!(
        found[0].evidence[0].detail,
        "http_request_duration_seconds: 30 of 300 requests took more than 1 s in 30 s"
    );
    for _ in 0..2 {
        assert_eq!(bench.next(300, 0, 0).len(), 1);
    }
    assert_eq!(bench.next(300, 0, 0), []);
}

#[test]
fn what_is_slow_by_nature_or_by_chance_is_no_symptom() {
    // It always took longer than a second.
    let mut bench = Bench { meter: Meter::default(), ..Bench::new() };
    bench.sum = (10_000, 0, 9_000);
    bench.meter.read("web-1", told(10_000, 0, 9_000), OLD, at(0));
    for _ in 0..10 {
        assert_eq!(bench.next(300, 0, 270), []);
    }
    // One slow request now and then.
    let mut bench = Bench::new();
    for _ in 0..10 {
        assert_eq!(bench.next(30, 0, 1), []);
    }
    // A new application of which nothing is known.
    let mut meter = Bench { meter: Meter::default(), ..Bench::new() };
    meter.sum = (0, 0, 0);
    meter.meter.read("web-1", told(0, 0, 0), YOUNG, at(0));
    for _ in 0..10 {
        assert_eq!(meter.next(10, 0, 10), []);
    }
}

#[test]
fn thresholds_are_the_targets_own() {
    let mut bench = Bench::new();
    bench.thresholds = Thresholds {
        error_percent: Some(50),
        latency_millis: Some(100),
        hold_seconds: Some(0),
        ..Thresholds::default()
    };
    assert_eq!(bench.next(300, 100, 0), []);
    let found = bench.next(300, 0, 30);
    assert_eq!(found[0].signal, SignalType::Latency);
    assert_eq!(found[0].threshold, "p99 of at most 100 ms");
    assert!(bench.next(300, 200, 0).iter().any(|symptom| symptom.signal == SignalType::ErrorRate));
}

#[test]
fn the_bounds_of_two_revisions_are_added_without_slowing_any() {
    let mut times = read("a_request_seconds_bucket{le=\"1\"} 10\na_request_seconds_bucket{le=\"+Inf\"} 10").times;
    let other = read("a_request_seconds_bucket{le=\"2\"} 10\na_request_seconds_bucket{le=\"+Inf\"} 10").times;
    let times = times.get_mut("a_request_seconds").unwrap();
    times.add(&other["a_request_seconds"]);
    assert_eq!((times.longer(1_000_000), times.longer(2_000_000), times.all()), (Some(0.0), Some(0.0), 20.0));
    assert_eq!(times.longer(3_000_000), None, "what is beyond the last bound is not known");
}

fn used(cpu: f64, memory: f64) -> [Usage; 1] {
    [Usage { pod: "web-1".into(), container: "web".into(), cpu: Some(cpu), memory: Some(memory) }]
}

const MI: f64 = 1024.0 * 1024.0;

fn limited() -> crate::detection::WorkloadView {
    let limits = with(container(), "/resources/limits/cpu", json!("500m"));
    view([pod("web-1", "h2").spec(limits)])
}

#[test]
fn a_container_near_its_limits_is_a_symptom_after_five_minutes() {
    let (view, thresholds, mut load) = (limited(), Thresholds::default(), Load::default());
    let mut judge = |second: i64, cpu: f64, memory: f64| {
        load.judge((&view, &used(cpu, memory * MI)), &thresholds, false, at(second))
    };
    // Its first five minutes count for nothing.
    assert_eq!(judge(100, 0.5, 63.0), []);
    assert_eq!(judge(400, 0.48, 60.0), []);
    assert_eq!(judge(460, 0.48, 61.0), []);
    assert_eq!(judge(690, 0.48, 61.0), []);
    assert_eq!(judge(700, 0.48, 61.0).len(), 1);
    let found = judge(760, 0.48, 62.0);
    let told: Vec<(SignalType, &str, &str)> =
        found.iter().map(|s| (s.signal, s.value.as_str(), s.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (SignalType::CpuHigh, "96 %", "container web of pod web-1 uses 96 % of its CPU limit of 500m"),
            (
                SignalType::MemoryHigh,
                "96.9 %",
                "container web of pod web-1 uses 96.9 % of its memory limit of 64Mi, and reaches it in about 6 min"
            ),
        ]
    );
    assert_eq!(judge(790, 0.1, 20.0).len(), 2);
    assert_eq!(judge(860, 0.1, 20.0), []);
}

#[test]
fn memory_that_stands_below_its_limit_is_no_symptom_and_at_it_is() {
    let (view, thresholds) = (limited(), Thresholds::default());
    let judge = |load: &mut Load, thresholds: &Thresholds, megabytes: f64, second: i64| {
        load.judge((&view, &used(0.1, megabytes * MI)), thresholds, false, at(second)).len()
    };
    let (mut heap, mut full, mut own) = (Load::default(), Load::default(), Load::default());
    let strict = Thresholds { memory_percent: Some(90), ..Thresholds::default() };
    for second in (400..4000).step_by(30) {
        assert_eq!(judge(&mut heap, &thresholds, 60.0, second), 0, "a heap of a fixed size");
        assert_eq!(judge(&mut full, &thresholds, 63.0, second), usize::from(second >= 700), "nothing is left");
        assert_eq!(judge(&mut own, &strict, 60.0, second), usize::from(second >= 700), "the target says so itself");
    }
}

#[test]
fn load_that_is_short_within_limits_or_of_a_job_is_none() {
    let (view, thresholds) = (limited(), Thresholds::default());
    let mut load = Load::default();
    for second in (400..4000).step_by(30) {
        let peak = if second % 300 < 240 { 0.5 } else { 0.2 };
        assert_eq!(load.judge((&view, &used(peak, 50.0 * MI)), &thresholds, false, at(second)), []);
    }
    let job = crate::detection::WorkloadView { job: Some(crate::detection::JobState::default()), ..limited() };
    let unlimited = crate::detection::fixtures::view([pod("web-1", "h2").spec(json!({"name": "web", "image": "a"}))]);
    for view in [&job, &unlimited] {
        let mut load = Load::default();
        for second in (400..4000).step_by(30) {
            assert_eq!(load.judge((view, &used(0.5, 64.0 * MI)), &thresholds, false, at(second)), []);
        }
    }
}

#[test]
fn a_node_that_is_nearly_full_is_a_symptom() {
    let node = ObjectRef { kind: "Node".into(), name: "n1".into(), ..ObjectRef::default() };
    let mut crowd = Crowd::default();
    let mut judge = |taken: u32, second: i64| crowd.judge(&node, Places { taken, allocatable: 110 }, false, at(second));
    assert_eq!(judge(98, 0), None);
    assert_eq!(judge(105, 30), None);
    assert_eq!(judge(90, 60), None, "a rollout that was over");
    assert_eq!(judge(105, 90), None);
    let found = judge(105, 150).unwrap();
    assert_eq!((found.signal, found.value.as_str()), (SignalType::PodCapacityHigh, "105 of 110 pods"));
    assert_eq!(found.message, "node n1 has 105 of the 110 pods that it may have");
    assert!(judge(95, 180).is_some(), "between what closes and what opens");
    assert!(judge(90, 210).is_some());
    assert_eq!(judge(90, 270), None);
    assert_eq!(Crowd::default().judge(&node, Places { taken: 5, allocatable: 0 }, true, at(0)), None);
}

#[test]
fn silence_keeps_what_is_open_and_ends_it_after_a_while() {
    let mut bench = Bench::new();
    bench.next(300, 100, 0);
    bench.next(300, 100, 0);
    assert_eq!(bench.next(300, 100, 0).len(), 1);
    let open = |bench: &mut Bench| {
        bench.second += 30;
        bench.judge().len()
    };
    assert_eq!(open(&mut bench), 1, "it cannot be read");
    let mut rounds = 0;
    while open(&mut bench) == 1 {
        rounds += 1;
        assert!(rounds < 60);
    }
    assert!(Timestamp::UNIX_EPOCH < at(bench.second));
}
