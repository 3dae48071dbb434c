use super::*;
use crate::graph::fixture::{graph, running};
use crate::graph::rules::trial::{is, on, one, says, silent};

fn budget(name: &str, spec: &str) -> String {
    format!("---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")
}

fn web(replicas: i32) -> String {
    running("web", "containers: [{name: web}]").replace("replicas: 1", &format!("replicas: {replicas}"))
}

const OWN: &str = "selector: {matchLabels: {app: web}}";

#[test]
fn a_budget_that_never_lets_a_pod_go() {
    let finding = one(budgets, &(web(2) + &budget("web", &format!("minAvailable: 2, {OWN}"))));
    is(&finding, "PodDisruptionBudget/web", "spec.minAvailable", "2", Standing::Latent);
    says(
        &finding,
        &[
            "PodDisruptionBudget web never allows a disruption of Deployment web: minAvailable is 2 and there are at most 2 pods",
        ],
    );
    assert_eq!((finding.rule, finding.severity), (Rule::DisruptionBlocked, Severity::Low));
    is(
        &one(budgets, &(web(3) + &budget("web", &format!("maxUnavailable: 0, {OWN}")))),
        "PodDisruptionBudget/web",
        "spec.maxUnavailable",
        "0",
        Standing::Latent,
    );
    is(
        &one(budgets, &(web(3) + &budget("web", &format!("minAvailable: 100%, {OWN}")))),
        "PodDisruptionBudget/web",
        "spec.minAvailable",
        "100%",
        Standing::Latent,
    );
    is(
        &one(budgets, &(web(1) + &budget("web", &format!("minAvailable: 50%, {OWN}")))),
        "PodDisruptionBudget/web",
        "spec.minAvailable",
        "50%",
        Standing::Latent,
    );
}

#[test]
fn a_drain_that_waits_is_worse() {
    let mut g = graph(&(web(1) + &budget("web", &format!("minAvailable: 1, {OWN}"))));
    g.pods[0].node = Some("n1".into());
    let node = crate::diagnosis::NodeRoom { name: "n1".into(), cordoned: true, ready: true, ..Default::default() };
    g.cluster = Arc::new(crate::graph::Surroundings { nodes: vec![node], ..Default::default() });
    let found = on(budgets, &g);
    assert_eq!(found[0].severity, Severity::High);
    says(&found[0], &["so the cordoned node n1 cannot be drained"]);
}

#[test]
fn budgets_that_leave_room() {
    silent(budgets, &(web(3) + &budget("web", &format!("minAvailable: 2, {OWN}"))));
    silent(budgets, &(web(3) + &budget("web", &format!("maxUnavailable: 1, {OWN}"))));
    silent(budgets, &(web(1) + &budget("web", &format!("maxUnavailable: 25%, {OWN}"))));
    silent(budgets, &(web(0) + &budget("web", &format!("minAvailable: 1, {OWN}"))));
    silent(budgets, &(web(1) + &budget("web", OWN)));
    silent(budgets, &budget("odd", "minAvailable: some, selector: {}"));
    // The autoscaler adds pods.
    let scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {maxReplicas: 5, scaleTargetRef: {kind: Deployment, name: web}}\n";
    silent(budgets, &(web(1) + &budget("web", &format!("minAvailable: 1, {OWN}")) + scaler));
}

#[test]
fn a_budget_that_selects_nothing_or_two_on_one_pod() {
    let finding = one(budgets, &(web(3) + &budget("web", "minAvailable: 1, selector: {matchLabels: {app: webb}}")));
    is(&finding, "PodDisruptionBudget/web", "spec.selector.matchLabels.app", "webb", Standing::Latent);
    says(&finding, &["selects no pods", "did you mean app=web?"]);
    // Left over from something that is gone: it stands in nobody's way.
    silent(budgets, &(web(3) + &budget("old", "minAvailable: 1, selector: {matchLabels: {app: orders}}")));
    let both = web(3)
        + &budget("one", &format!("minAvailable: 1, {OWN}"))
        + &budget("two", &format!("maxUnavailable: 1, {OWN}"));
    let finding = one(budgets, &both);
    is(&finding, "PodDisruptionBudget/two", "spec.selector", "one", Standing::Latent);
    says(&finding, &["PodDisruptionBudgets one and two both select them"]);
}

#[test]
fn a_volume_for_one_node_and_pods_on_two() {
    let spec = "containers: [{name: web}]\nvolumes: [{name: v, persistentVolumeClaim: {claimName: data}}]";
    let claim = |mode: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {{accessModes: [{mode}]}}\n"
        )
    };
    let world = |mode: &str, nodes: &[&str], text: &str| {
        let mut g = graph(&(text.to_owned() + &claim(mode)));
        let first = g.pods[0].clone();
        g.pods = nodes
            .iter()
            .enumerate()
            .map(|(n, node)| {
                let mut pod = first.clone();
                pod.object.name = format!("web-{n}");
                pod.node = Some((*node).to_owned());
                pod
            })
            .collect();
        on(volumes, &g)
    };
    let two = running("web", spec).replace("replicas: 1", "replicas: 2");
    let found = world("ReadWriteOnce", &["n1", "n2"], &two);
    assert_eq!(found.len(), 1);
    is(
        &found[0],
        "Deployment/web",
        "spec.template.spec.volumes[0].persistentVolumeClaim.claimName",
        "data",
        Standing::Suspect,
    );
    assert!(world("ReadWriteOnce", &["n1", "n1"], &two).is_empty());
    assert!(world("ReadWriteMany", &["n1", "n2"], &two).is_empty());
    assert_eq!(world("ReadWriteOncePod", &["n1", "n1"], &two).len(), 1);
    // Recreate ends the old pod first.
    assert!(world("ReadWriteOnce", &["n1", "n2"], &running("web", spec)).is_empty());
    let rolling =
        running("web", spec).replace("replicas: 1", "replicas: 1\n  strategy: {rollingUpdate: {maxSurge: 1}}");
    assert_eq!(world("ReadWriteOnce", &["n1", "n2"], &rolling).len(), 1);
}

#[test]
fn two_workloads_on_two_nodes_and_one_claim() {
    let pod = |name: &str, node: &str, ready: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{nodeName: {node}, containers: [{{name: a}}], volumes: [{{name: v, persistentVolumeClaim: {{claimName: data}}}}]}}\nstatus: {{conditions: [{{type: Ready, status: '{ready}'}}]}}\n"
        )
    };
    let claim = |mode: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {{accessModes: [{mode}]}}\n"
        )
    };
    let world = |mode: &str, node: &str, ready: &str| {
        on(shared, &graph(&(pod("writer", "n1", "True") + &pod("report", node, ready) + &claim(mode))))
    };
    let found = world("ReadWriteOnce", "n2", "False");
    assert_eq!(found.len(), 1);
    is(&found[0], "PersistentVolumeClaim/data", "spec.accessModes", "ReadWriteOnce", Standing::Suspect);
    says(
        &found[0],
        &["Pod report on node n2 cannot mount claim data: it is ReadWriteOnce, and Pod writer uses it on node n1"],
    );
    assert!(world("ReadWriteOnce", "n1", "False").is_empty());
    assert!(world("ReadWriteOnce", "n2", "True").is_empty());
    assert!(world("ReadWriteMany", "n2", "False").is_empty());
}
