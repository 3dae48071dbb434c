//! A real Prometheus, where the machine has one: it reads an application, and the detector asks it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use api::shared::SignalType;

use super::measured::{Application, Room, deployment};
use super::*;

/// Ended with the test.
struct Running(Child, std::path::PathBuf);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(&self.1);
    }
}

/// Prometheus on a free port, reading an application every second.
fn prometheus(application: u16) -> (Running, String) {
    let folder = std::env::temp_dir().join(format!("chatcli-prometheus-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = folder.join("prometheus.yml");
    let labels = "{namespace: shop, pod: web-pod, container: app}";
    std::fs::write(
        &config,
        format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: app\n  static_configs:\n  - targets: ['127.0.0.1:{application}']\n    labels: {labels}\n"
        ),
    )
    .unwrap();
    let child = Command::new(testkit::cluster::program("prometheus", "prometheus"))
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Running(child, folder), format!("http://127.0.0.1:{port}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_prometheus_has_read_becomes_alerts() {
    let room = Room::new();
    let application = Application::start(&room.env).await;
    let (_running, url) = prometheus(application.port);
    deployment(&room.api, "web");
    let detector = room.detector(Vec::new()).await;
    let mut sum = 10_000;
    let deadline = Instant::now() + Duration::from_mins(1);
    while detector.alerts().len() < 2 {
        assert!(Instant::now() < deadline, "{:?}", detector.alerts());
        sum += 100;
        let load = format!(
            "container_cpu_usage_seconds_total {}\ncontainer_memory_working_set_bytes {}\n",
            f64::from(sum) / 100.0,
            63 << 20
        );
        application.tells_too(sum, sum * 2 / 5, &load);
        let asked = application.count();
        until(|| application.count() > asked).await;
        // It may not have started yet.
        if detector.eyes.prometheus_once(&url).await.is_ok() {
            room.clock.advance(SignedDuration::from_secs(30));
        }
    }
    let mut told: Vec<(SignalType, String)> =
        detector.alerts().into_iter().map(|alert| (alert.signal, alert.workload.name)).collect();
    told.sort();
    assert!(told.contains(&(SignalType::ErrorRate, "web".to_owned())), "{told:?}");
    assert!(told.iter().any(|(signal, _)| matches!(signal, SignalType::MemoryHigh | SignalType::CpuHigh)), "{told:?}");
    let error = detector.eyes.prometheus_once(&format!("http://127.0.0.1:{}", application.port)).await.unwrap_err();
    assert!(error.contains("not as Prometheus does"), "{error}");
}
