//! The faults that every controller has to survive, on every kind that it writes: the end is the same.

use api::{AIInsight, Anomaly, Issue, PostMortem, RemediationPlan};
use testkit::fake_api::{FakeApi, Fault};

use super::world::*;

const KINDS: [&str; 5] = ["/anomalies", "/issues", "/aiinsights", "/remediationplans", "/postmortems"];

async fn survives(what: &str, break_it: impl FnOnce(&FakeApi)) {
    eprintln!("fault: {what}");
    let fake = shop();
    break_it(&fake);
    // A stall may make it late for the analysis; the answer still counts.
    Life { until: written_up, ..Life::new(Analyst::rollback()) }.live(fake.clone()).await;
    mended(&fake);
}

#[tokio::test(start_paused = true)]
async fn every_fault_on_every_kind_ends_the_same() {
    for kind in KINDS {
        for fault in Fault::ALL {
            survives(&format!("{fault:?} on {kind}"), |fake| fault.inject(fake, kind)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_fails_stalls_or_loses_its_answer_ends_the_same() {
    for kind in KINDS {
        survives(&format!("create of {kind} fails"), |fake| fake.fail("create", kind, 500, 2)).await;
        survives(&format!("create of {kind} stalls"), |fake| fake.stall("create", kind, 1)).await;
        survives(&format!("answer to create of {kind} is lost"), |fake| fake.lose_answer("create", kind, 1)).await;
        survives(&format!("conflicts on the status of {kind}"), |fake| {
            for path in KINDS.iter().filter(|k| *k == &kind) {
                fake.fail("patch", &format!("{path}/"), 409, 3);
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn old_caches_change_nothing() {
    for kind in KINDS {
        eprintln!("the watch of {kind} breaks and stays away for a while");
        let stale = move |fake: &FakeApi| {
            fake.fail("watch", kind, 500, 4);
            fake.fail("list", kind, 500, 2);
            fake.cut_watches();
        };
        let fake = shop();
        let life = Life { meanwhile: Some(std::sync::Arc::new(stale)), ..Life::new(Analyst::rollback()) };
        life.live(fake.clone()).await;
        mended(&fake);
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_deletes_meanwhile_is_made_again_or_given_up() {
    // The insight: asked for again.
    let fake = shop();
    let life = Life::new(Analyst::rollback());
    let insight: Until = |fake| !fake.list::<AIInsight>().is_empty();
    *life.analyst.away.lock().unwrap() = 2;
    Life { until: insight, ..life.clone() }.live(fake.clone()).await;
    let name = kube::ResourceExt::name_any(&fake.list::<AIInsight>().remove(0));
    fake.remove::<AIInsight>("shop", &name);
    life.live(fake.clone()).await;
    mended(&fake);
    // The Anomaly of a fault that is still there: recorded again.
    let fake = shop();
    *life.analyst.away.lock().unwrap() = 2;
    let anomaly: Until = |fake| fake.list::<Anomaly>().iter().any(|a| a.status.as_ref().is_some_and(|s| s.correlated));
    Life { until: anomaly, ..life.clone() }.live(fake.clone()).await;
    let name = kube::ResourceExt::name_any(&fake.list::<Anomaly>().remove(0));
    fake.remove::<Anomaly>("shop", &name);
    life.live(fake.clone()).await;
    mended(&fake);
    // The report before the Issue says that it is there.
    let fake = shop();
    let report: Until = |fake| !fake.list::<PostMortem>().is_empty();
    Life { until: report, ..life.clone() }.live(fake.clone()).await;
    assert_eq!((fake.list::<Issue>().len(), fake.list::<RemediationPlan>().len()), (1, 1));
    life.live(fake.clone()).await;
    mended(&fake);
}
