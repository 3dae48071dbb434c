//! What Alertmanager reports, on the caches: whose alert it is, whether that is watched, what it joins, when it ends.

use std::collections::BTreeMap;

use api::instance::WatchedKind;
use domain::detection::alertmanager::{Notice, Report};
use domain::detection::{Rule, Transition};

use super::*;
use crate::scope::Target;

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn firing(of: &[(&str, &str)]) -> Notice {
    let all =
        [&[("alertname", "KubePodCrashLooping"), ("severity", "warning"), ("namespace", "shop")][..], of].concat();
    Notice { firing: true, labels: labels(&all), starts_at: Some(start()), ..Notice::default() }
}

fn over(notice: &Notice) -> Notice {
    Notice { firing: false, ends_at: Some(start()), ..notice.clone() }
}

impl World {
    fn report(&self, notice: &Notice) -> Report {
        self.detector.report(std::slice::from_ref(notice))
    }

    fn web(&mut self) {
        self.deployment("web", 1, 1);
        self.set("web", 1, 1, 1, json!({"containers": []}));
        self.pod("web", 1, 0, json!({"containers": [{"name": "app"}]}), json!({"phase": "Running"}));
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_about_a_pod_is_one_about_its_workload_until_it_is_over() {
    let mut world = World::new().await;
    world.web();
    let notice = firing(&[("pod", "web-1-0"), ("container", "app")]);
    assert_eq!(world.report(&notice).new, 1);
    let Transition::Firing(alert) = world.news.recv().await.unwrap() else { panic!("not new") };
    assert_eq!((alert.workload.kind.as_str(), alert.workload.name.as_str()), ("Deployment", "web"));
    assert_eq!(alert.workload.uid.as_deref(), Some("uid-web"));
    assert_eq!(
        (alert.rule, alert.pod.unwrap().name.as_str(), &alert.root),
        (Rule::Reported, "web-1-0", &alert.workload)
    );
    assert_eq!(world.detector.alerts().len(), 1);
    assert_eq!(world.detector.counts().alerts, 1);

    // Its pod is gone by the time of its end.
    world.delete_pod("web-1-0");
    let report = world.report(&over(&notice));
    assert_eq!((report.over, report.told.len()), (1, 1));
    assert!(matches!(world.news.recv().await.unwrap(), Transition::Resolved(_)));
    assert!(world.detector.alerts().is_empty());
    // Whoever connects later hears of the end too.
    let (told, _) = world.detector.watch();
    assert!(told.len() == 1 && told[0].resolved_at.is_some(), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_watched_is_said_and_not_dropped_in_silence() {
    let named = Target { namespace: "shop".into(), workload: Some((WatchedKind::Deployment, "web".into())) };
    let mut world = World::of(Scope::Targets(vec![named])).await;
    world.web();
    assert_eq!(world.report(&firing(&[("deployment", "web")])).new, 1);
    assert_eq!(world.report(&firing(&[("pod", "web-1-0")])).new, 1);
    for other in [&[("deployment", "api")][..], &[], &[("persistentvolumeclaim", "data")], &[("node", "n9")]] {
        let report = world.report(&firing(other));
        assert_eq!((report.outside, report.told.len()), (1, 0), "{other:?}");
        assert!(
            report.reasons[0].contains("KubePodCrashLooping") && report.reasons[0].contains("remedy"),
            "{report:?}"
        );
    }
    let watchdog = Notice { labels: labels(&[("alertname", "Watchdog"), ("severity", "none")]), ..firing(&[]) };
    assert_eq!(world.report(&watchdog).ignored, 1);
    // An end that is not known here may be known to the operator; it names what is watched.
    assert_eq!(world.report(&over(&firing(&[("deployment", "web"), ("n", "1")]))).over, 1);
    assert_eq!(world.detector.alerts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_alert_joins_what_is_known_to_be_at_fault() {
    let mut world = World::new().await;
    world.deployment("web", 1, 1);
    world.set("web", 1, 1, 0, json!({"containers": [{"name": "app", "image": "bad"}]}));
    let waiting = json!({"phase": "Pending", "containerStatuses": [{"name": "app", "image": "bad", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}]});
    world.pod("web", 1, 0, json!({"containers": [{"name": "app", "image": "bad"}]}), waiting);
    until(|| !world.detector.alerts().is_empty()).await;
    let own = world.detector.alerts().remove(0);
    assert_eq!(world.report(&firing(&[("deployment", "web")])).new, 1);
    let both = world.detector.alerts();
    assert_eq!(both.len(), 2);
    assert!(both.iter().all(|alert| alert.root == own.root), "{both:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_repeated_ends_by_itself() {
    let mut world = World::new().await;
    world.web();
    // After hours a pod that never becomes ready is an alert of its own.
    let reported = |world: &World| world.detector.alerts().iter().filter(|alert| alert.rule == Rule::Reported).count();
    let notice = firing(&[("deployment", "web")]);
    world.report(&notice);
    tokio::time::sleep(std::time::Duration::from_hours(8)).await;
    assert_eq!(world.report(&notice).again, 1);
    tokio::time::sleep(std::time::Duration::from_hours(8)).await;
    assert_eq!(reported(&world), 1);
    tokio::time::sleep(std::time::Duration::from_mins(11)).await;
    assert_eq!(reported(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_alerts_are_taken_in_at_once() {
    let mut world = World::new().await;
    world.web();
    let all: Vec<Notice> = (0..10_000).map(|n| firing(&[("pod", "web-1-0"), ("n", &n.to_string())])).collect();
    let report = world.detector.report(&all);
    assert_eq!((report.new, report.told.len()), (10_000, 10_000));
    assert_eq!(world.detector.report(&all).again, 10_000);
    let ends: Vec<Notice> = all.iter().map(over).collect();
    assert_eq!(world.detector.report(&ends).over, 10_000);
    assert!(world.detector.alerts().is_empty());
}
