//! What `/metrics` shows, in the Prometheus text format.

use std::fmt::Write;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Upper bounds of the latency buckets, in seconds.
const BUCKETS: [f64; 6] = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

#[derive(Default)]
struct Counts {
    by_class: [u64; 6],
    buckets: [u64; 7],
    seconds: f64,
}

/// Counters of the service.
#[derive(Default)]
pub struct Metrics(Mutex<Counts>);

impl Metrics {
    /// Counts an answer.
    pub fn count(&self, status: u16, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(class) = counts.by_class.get_mut(usize::from(status / 100)) {
            *class += 1;
        }
        let seconds = took.as_secs_f64();
        counts.seconds += seconds;
        let slot = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        if let Some(bucket) = counts.buckets.get_mut(slot) {
            *bucket += 1;
        }
    }

    /// The text.
    pub fn render(&self, service: &str) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from("# TYPE http_requests_total counter\n");
        for (class, count) in counts.by_class.iter().enumerate().skip(1) {
            let _ = writeln!(text, "http_requests_total{{service=\"{service}\",code=\"{class}xx\"}} {count}");
        }
        text.push_str("# TYPE http_request_duration_seconds histogram\n");
        let mut total = 0;
        for (bound, count) in BUCKETS.iter().map(f64::to_string).chain(["+Inf".to_owned()]).zip(counts.buckets) {
            total += count;
            let _ =
                writeln!(text, "http_request_duration_seconds_bucket{{service=\"{service}\",le=\"{bound}\"}} {total}");
        }
        let _ = writeln!(text, "http_request_duration_seconds_sum{{service=\"{service}\"}} {}", counts.seconds);
        let _ = writeln!(text, "http_request_duration_seconds_count{{service=\"{service}\"}} {total}");
        text.push_str("# TYPE process_resident_memory_bytes gauge\n");
        let _ = writeln!(text, "process_resident_memory_bytes{{service=\"{service}\"}} {}", resident_bytes());
        text
    }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .unwrap_or_default()
        * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        metrics.count(200, Duration::from_millis(1));
        metrics.count(502, Duration::from_millis(300));
        let text = metrics.render("x");
        assert!(text.contains("code=\"5xx\"} 1"), "{text}");
        assert!(
            text.contains("le=\"0.005\"} 1") && text.contains("le=\"0.5\"} 2") && text.contains("le=\"+Inf\"} 2"),
            "{text}"
        );
    }
}
