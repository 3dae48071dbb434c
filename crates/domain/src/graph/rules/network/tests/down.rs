//! What is down explains what those go through who need it, and nothing else.

use super::*;

const DB: &str = "---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, ports: [{port: 5432}]}
";

fn shop(ready: &str, troubled: bool) -> Vec<Finding> {
    let db = running("db", "containers: [{name: db, image: db, ports: [{containerPort: 5432}]}]");
    let db = db.replace("status: 'True'", &format!("status: '{ready}'"));
    let web = running("web", "containers: [{name: web, image: web, env: [{name: DB_ADDR, value: 'db:5432'}]}]");
    let mut graph = graph(&(db + DB + &web));
    for workload in &mut graph.workloads {
        workload.troubled = troubled && workload.object.name == "db";
    }
    let mut found = Vec::new();
    crate::graph::rules::network::findings(&graph, jiff::Timestamp::UNIX_EPOCH, &mut found);
    found.retain(|finding| finding.cause.path.as_deref() == Some("status.readyReplicas"));
    found
}

#[test]
fn a_workload_without_a_ready_pod_explains_those_who_need_it() {
    let found = shop("False", true);
    assert_eq!(found.len(), 1, "{}", said(&found));
    let finding = &found[0];
    assert_eq!((finding.cause.object.name.as_str(), finding.about.name.as_str()), ("db", "web"));
    assert_eq!(finding.standing, Standing::Suspect, "its own trouble tells it");
    assert!(finding.words.contains(&"db".to_owned()), "{:?}", finding.words);
    // It serves, or nobody has said yet that something is wrong with it: it may just be starting.
    assert!(shop("True", true).is_empty());
    assert!(shop("False", false).is_empty());
}
