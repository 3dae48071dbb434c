use std::sync::Arc;

use api::shared::CauseClass;
use serde_json::{Value, json};

use super::*;
use crate::diagnosis::NodeRoom;
use crate::graph::fixture::graph;
use crate::graph::rules::trial::{on, says};

const GI: i128 = 1024 * 1024 * 1024 * 1000;

fn node(name: &str, labels: Value, change: impl Fn(&mut NodeRoom)) -> NodeRoom {
    let mut labels: BTreeMap<String, String> = serde_json::from_value(labels).unwrap();
    labels.insert("kubernetes.io/hostname".into(), name.into());
    let mut node = NodeRoom {
        name: name.into(),
        labels,
        ready: true,
        allocatable: [("cpu".to_owned(), 4000), ("memory".to_owned(), 8 * GI), ("pods".to_owned(), 110_000)].into(),
        requested: [("cpu".to_owned(), 1000), ("memory".to_owned(), 2 * GI), ("pods".to_owned(), 5000)].into(),
        ..NodeRoom::default()
    };
    change(&mut node);
    node
}

fn same(name: &str) -> NodeRoom {
    node(name, json!({}), |_| {})
}

/// A waiting pod of Deployment web with this spec, other pods as they are, and these nodes.
fn world(spec: &str, others: &str, nodes: Vec<NodeRoom>) -> Graph {
    let text = format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {spec}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  labels: {{app: web}}
  ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: web, uid: u, controller: true}}]
spec: {spec}
{others}"
    );
    let mut graph = graph(&text);
    let cluster = crate::graph::Surroundings { nodes, ..(*graph.cluster).clone() };
    graph.cluster = Arc::new(cluster);
    graph
}

fn beside(name: &str, labels: &str, node: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {labels}}}\nspec: {{nodeName: {node}, containers: [{{name: a, ports: [{{containerPort: 80, hostPort: 80}}]}}]}}\n"
    )
}

#[track_caller]
fn one(graph: &Graph) -> Finding {
    let mut found = on(placement, graph);
    assert_eq!(found.len(), 1, "{found:?}");
    let finding = found.remove(0);
    assert_eq!(
        (finding.rule, finding.standing, finding.about.name.as_str()),
        (Rule::Unschedulable, Standing::Suspect, "web")
    );
    finding
}

#[track_caller]
fn at(finding: &Finding, path: &str, class: CauseClass, advice: &str) {
    assert_eq!(finding.cause.path.as_deref(), Some(path), "{}", finding.cause.statement);
    assert_eq!(finding.cause.class, class);
    assert!(finding.recommendations[0].contains(advice), "{advice:?} not in {:?}", finding.recommendations);
}

#[test]
fn room_and_the_smallest_change() {
    let spec = "{containers: [{name: a, resources: {requests: {memory: 7Gi, cpu: 500m}}}]}";
    let small = node("n2", json!({}), |n| n.allocatable.insert("memory".into(), 4 * GI).map_or((), drop));
    let finding = one(&world(spec, "", vec![same("n1"), small]));
    at(
        &finding,
        "spec.template.spec.containers[0].resources.requests.memory",
        CauseClass::InsufficientResources,
        "It fits node n1 with 1Gi less memory.",
    );
    says(
        &finding,
        &[
            "request 7Gi memory, and no node has that much free: insufficient memory (n1: memory 7Gi requested, 6Gi free of 8Gi",
        ],
    );
    let spec = "{containers: [{name: a, resources: {limits: {nvidia.com/gpu: '2'}}}]}";
    let finding = one(&world(spec, "", vec![same("n1")]));
    at(
        &finding,
        "spec.template.spec.containers[0].resources.requests.nvidia.com/gpu",
        CauseClass::InsufficientResources,
        "no nvidia.com/gpu requested",
    );
    says(&finding, &["no node offers any nvidia.com/gpu"]);
    let full = node("n1", json!({}), |n| n.requested.insert("pods".into(), 110_000).map_or((), drop));
    says(&one(&world("{containers: [{name: a}]}", "", vec![full])), &["too many pods"]);
}

#[test]
fn taints_cordons_and_control_planes() {
    let taint = |key: &str| {
        let taint = serde_json::from_value(json!({"key": key, "value": "batch", "effect": "NoSchedule"})).unwrap();
        move |n: &mut NodeRoom| n.taints = vec![Clone::clone(&taint)]
    };
    let plane = node("cp", json!({}), taint("node-role.kubernetes.io/control-plane"));
    let tainted = node("n1", json!({}), taint("dedicated"));
    let finding = one(&world("{containers: [{name: a}]}", "", vec![plane.clone(), tainted.clone()]));
    at(
        &finding,
        "spec.template.spec.tolerations",
        CauseClass::UnsatisfiableConstraints,
        "It fits node n1 with a toleration for dedicated=batch:NoSchedule.",
    );
    says(&finding, &["Pods of Deployment web do not tolerate the taint dedicated=batch:NoSchedule of node n1"]);
    let cordoned = node("n1", json!({}), |n| n.cordoned = true);
    let finding = one(&world("{containers: [{name: a}]}", "", vec![plane, cordoned]));
    at(&finding, "spec.unschedulable", CauseClass::UnsatisfiableConstraints, "Uncordon node n1");
    assert_eq!((finding.cause.object.kind.as_str(), finding.cause.object.name.as_str()), ("Node", "n1"));
    let agent = "{tolerations: [{key: node.kubernetes.io/unschedulable, operator: Exists}], containers: [{name: a}]}";
    let cordoned = node("n1", json!({}), |n| n.cordoned = true);
    assert!(on(placement, &world(agent, "", vec![cordoned])).is_empty(), "as a DaemonSet's pods do");
    let tolerating = "{tolerations: [{key: dedicated, operator: Exists}], containers: [{name: a}]}";
    assert!(on(placement, &world(tolerating, "", vec![tainted])).is_empty(), "it fits");
}

#[test]
fn selectors_and_affinities_of_nodes() {
    let finding = one(&world(
        "{nodeSelector: {disk: sdd}, containers: [{name: a}]}",
        "",
        vec![node("n1", json!({"disk": "ssd"}), |_| {})],
    ));
    at(&finding, "spec.template.spec.nodeSelector", CauseClass::UnsatisfiableConstraints, "Correct the nodeSelector");
    says(&finding, &["asks with its nodeSelector for disk=sdd, which matches no node", "did you mean disk=ssd?"]);
    let wants = |expression: &str| {
        format!(
            "{{affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{{matchExpressions: [{expression}]}}]}}}}}}, containers: [{{name: a}}]}}"
        )
    };
    let zoned = || vec![node("n1", json!({"zone": "a", "cores": "8"}), |_| {})];
    let finding = one(&world(&wants("{key: zone, operator: In, values: [b, c]}"), "", zoned()));
    let path = "spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
    at(&finding, path, CauseClass::UnsatisfiableConstraints, "another nodeAffinity");
    says(&finding, &["asks with its nodeAffinity for zone In [b, c], which matches no node"]);
    for fits in [
        "{key: zone, operator: NotIn, values: [b]}",
        "{key: zone, operator: Exists}",
        "{key: gone, operator: DoesNotExist}",
        "{key: cores, operator: Gt, values: ['4']}",
        "{key: cores, operator: Lt, values: ['16']}",
    ] {
        assert!(on(placement, &world(&wants(fits), "", zoned())).is_empty(), "{fits}");
    }
}

#[test]
fn pods_that_must_be_apart_or_together() {
    let term = |kind: &str, app: &str| {
        format!(
            "{{affinity: {{{kind}: {{requiredDuringSchedulingIgnoredDuringExecution: [{{topologyKey: kubernetes.io/hostname, labelSelector: {{matchLabels: {{app: {app}}}}}}}]}}}}, containers: [{{name: a}}]}}"
        )
    };
    let others = beside("web-0", "{app: web}", "n1");
    let finding = one(&world(&term("podAntiAffinity", "web"), &others, vec![same("n1")]));
    let path = "spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
    at(&finding, path, CauseClass::UnsatisfiableConstraints, "a podAntiAffinity that is only preferred");
    says(
        &finding,
        &["podAntiAffinity allows one pod with app=web per kubernetes.io/hostname, and pod web-0 is on node n1"],
    );
    assert!(on(placement, &world(&term("podAntiAffinity", "web"), &others, vec![same("n1"), same("n2")])).is_empty());
    let finding = one(&world(&term("podAffinity", "cache"), &others, vec![same("n1"), same("n2")]));
    says(
        &finding,
        &["podAffinity asks for a pod with app=cache in the same kubernetes.io/hostname, and there is none"],
    );
    assert!(
        on(
            placement,
            &world(&term("podAffinity", "cache"), &beside("c", "{app: cache}", "n2"), vec![same("n1"), same("n2")])
        )
        .is_empty()
    );
    // The first of its own kind may go anywhere.
    assert!(on(placement, &world(&term("podAffinity", "web"), "", vec![same("n1")])).is_empty());
}

#[test]
fn ports_of_the_node_and_spreading() {
    let spec = "{containers: [{name: a, ports: [{containerPort: 80, hostPort: 80}]}]}";
    let finding = one(&world(spec, &beside("proxy", "{app: proxy}", "n1"), vec![same("n1")]));
    at(
        &finding,
        "spec.template.spec.containers[0].ports[0].hostPort",
        CauseClass::UnsatisfiableConstraints,
        "another hostPort than 80",
    );
    says(&finding, &["need hostPort 80, which pod proxy has taken on node n1"]);
    assert!(
        on(placement, &world(spec, &beside("proxy", "{app: proxy}", "n2"), vec![same("n1"), same("n2")])).is_empty()
    );
    let spread = "{topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}], containers: [{name: a}]}";
    let zones =
        || vec![node("n1", json!({"zone": "a"}), |_| {}), node("n2", json!({"zone": "b"}), |n| n.cordoned = true)];
    let finding = one(&world(spread, &beside("web-0", "{app: web}", "n1"), zones()));
    assert!(
        finding.cause.path.as_deref() == Some("spec.template.spec.topologySpreadConstraints[0]")
            || finding.cause.object.kind == "Node",
        "{finding:?}"
    );
    assert!(on(placement, &world(spread, "", zones())).is_empty());
    assert!(
        on(
            placement,
            &world(&spread.replace("DoNotSchedule", "ScheduleAnyway"), &beside("web-0", "{app: web}", "n1"), zones())
        )
        .is_empty()
    );
}

#[test]
fn a_topology_that_no_node_has() {
    let spread = "{topologySpreadConstraints: [{maxSkew: 1, topologyKey: zoen, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}], containers: [{name: a}]}";
    let finding = one(&world(spread, "", vec![node("n1", json!({"zone": "a"}), |_| {})]));
    let path = "spec.template.spec.topologySpreadConstraints[0].topologyKey";
    at(&finding, path, CauseClass::UnsatisfiableConstraints, "Let topologyKey name a label of the nodes");
    says(&finding, &["over topologyKey zoen, a label that no node has; did you mean zone?"]);
}

#[test]
fn a_volume_that_is_elsewhere() {
    let others = "---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {volumeName: pv-1}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-1}
spec: {nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [gone]}]}]}}}
";
    let spec = "{containers: [{name: a}], volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}";
    let finding = one(&world(spec, others, vec![same("n1")]));
    at(&finding, "spec.nodeAffinity", CauseClass::StorageUnavailable, "Bring back a node there");
    assert_eq!(finding.cause.object.kind, "PersistentVolume");
    says(&finding, &["PersistentVolume pv-1 of their claim data can only be used where kubernetes.io/hostname=gone"]);
    assert!(on(placement, &world(spec, others, vec![same("gone")])).is_empty());
}

#[test]
fn pods_that_no_scheduler_looks_at() {
    let gated = "{schedulingGates: [{name: example.com/later}], containers: [{name: a}]}";
    let found = on(unheard, &world(gated, "", vec![same("n1")]));
    says(&found[0], &["Pod web-1 has no node: its scheduling gate example.com/later has not been removed"]);
    assert_eq!((found[0].standing, found[0].hold), (Standing::Outage, 60));
    let mut queued = world(gated, "", vec![same("n1")]);
    queued.pods[0].labels = Arc::new([("kueue.x-k8s.io/queue-name".to_owned(), "q".to_owned())].into());
    assert!(on(unheard, &queued).is_empty(), "it waits in a queue");
    let other = |name: &str| format!("{{schedulerName: {name}, containers: [{{name: a}}]}}");
    let found = on(unheard, &world(&other("packer"), "", vec![same("n1")]));
    assert_eq!(found[0].cause.path.as_deref(), Some("spec.template.spec.schedulerName"));
    says(&found[0], &["they ask in schedulerName for scheduler packer, and no such scheduler has looked at them"]);
    let mut plain = world(&other("default-scheduler"), "", vec![same("n1")]);
    plain.pods[0].judged = true;
    assert!(on(unheard, &plain).is_empty());
    let mut placed = world(&other("packer"), "", vec![same("n1")]);
    placed.pods[0].node = Some("n1".into());
    assert!(on(unheard, &placed).is_empty());
    let mut troubled = world(&other("packer"), "", vec![same("n1")]);
    troubled.workloads[0].troubled = true;
    assert_eq!(on(unheard, &troubled)[0].standing, Standing::Suspect);
}

#[test]
fn gates_hold_a_pod_on_purpose_and_many_are_judged_once() {
    let gated = "{schedulingGates: [{name: later}], nodeSelector: {a: b}, containers: [{name: a}]}";
    assert!(on(placement, &world(gated, "", vec![same("n1")])).is_empty());
    assert!(on(placement, &world("{nodeSelector: {a: b}, containers: [{name: a}]}", "", vec![])).is_empty());
    let nodes: Vec<NodeRoom> = (0..500).map(|n| same(&format!("n{n}"))).collect();
    let mut large = world("{nodeSelector: {a: b}, containers: [{name: a}]}", "", nodes);
    for n in 0..5000 {
        let mut pod = large.pods[0].clone();
        pod.object.name = format!("web-{n}");
        large.pods.push(pod);
    }
    let start = std::time::Instant::now();
    let finding = one(&large);
    assert!(finding.cause.statement.len() < 300 && finding.cause.proof.len() <= 12, "{}", finding.cause.statement);
    assert!(start.elapsed() < std::time::Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_daemon_set_that_runs_nowhere() {
    let set = |key: &str, value: &str, desired: i32| {
        let mut graph = graph(&format!(
            "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent}}
spec: {{selector: {{}}, template: {{spec: {{nodeSelector: {{{key}: {value}}}, containers: [{{name: a}}]}}}}}}
status: {{currentNumberScheduled: 0, desiredNumberScheduled: {desired}, numberMisscheduled: 0, numberReady: 0}}
"
        ));
        let node = node("n1", json!({"kubernetes.io/os": "linux", "rack": "front"}), |_| {});
        graph.cluster = Arc::new(crate::graph::Surroundings { nodes: vec![node], ..(*graph.cluster).clone() });
        on(nowhere, &graph)
    };
    says(
        &set("rack", "back", 0)[0],
        &["DaemonSet agent runs nowhere: its nodeSelector asks for rack=back, which matches no node"],
    );
    says(&set("kubernetes.io/os", "linus", 0)[0], &["did you mean kubernetes.io/os=linux?"]);
    assert!(set("kubernetes.io/os", "windows", 0).is_empty(), "there is no such node here, and that is all");
    assert!(set("nvidia.com/gpu.present", "'true'", 0).is_empty());
    assert!(set("rack", "front", 1).is_empty());
}

#[test]
fn a_scheduler_that_is_there_takes_its_time() {
    let mut graph = world("{schedulerName: packer, containers: [{name: a}]}", "", vec![same("n1")]);
    let cluster = crate::graph::Surroundings { schedulers: ["packer".to_owned()].into(), ..(*graph.cluster).clone() };
    graph.cluster = Arc::new(cluster);
    assert!(on(unheard, &graph).is_empty());
    // One that says why not is there too.
    let mut graph = world("{schedulerName: packer, containers: [{name: a}]}", "", vec![same("n1")]);
    graph.pods[0].judged = true;
    assert!(on(unheard, &graph).is_empty());
}

#[test]
fn nobody_schedules() {
    let plain = "{containers: [{name: a}]}";
    let found = on(unheard, &world(plain, "", vec![same("n1")]));
    says(&found[0], &["Pods of Deployment web have no node, and the default-scheduler has not looked at them"]);
    assert_eq!((found[0].hold, found[0].standing), (60, Standing::Outage));
    let mut judged = world(plain, "", vec![same("n1")]);
    judged.pods[0].judged = true;
    assert!(on(unheard, &judged).is_empty());
    // It is silent while a volume is being made.
    let spec = "{containers: [{name: a}], volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}";
    let claim = |phase: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nstatus: {{phase: {phase}}}\n"
        )
    };
    assert!(on(unheard, &world(spec, &claim("Pending"), vec![same("n1")])).is_empty());
    assert_eq!(on(unheard, &world(spec, &claim("Bound"), vec![same("n1")])).len(), 1);
}

#[test]
fn a_node_that_does_not_exist() {
    let named = |node: &str| format!("{{nodeName: {node}, containers: [{{name: a}}]}}");
    let found = on(lost, &world(&named("worker-01"), "", vec![same("worker-1")]));
    assert_eq!(found[0].cause.path.as_deref(), Some("spec.template.spec.nodeName"));
    says(
        &found[0],
        &["Deployment web names node worker-01 in nodeName, which does not exist", "did you mean worker-1?"],
    );
    assert!(on(lost, &world(&named("worker-1"), "", vec![same("worker-1")])).is_empty());
    assert!(on(lost, &world(&named("worker-01"), "", vec![])).is_empty(), "no node can be seen");
    let bare =
        "---\napiVersion: v1\nkind: Pod\nmetadata: {name: lone}\nspec: {nodeName: gone, containers: [{name: a}]}\n";
    let alone = |text: &str| on(lost, &world("{containers: [{name: a}]}", text, vec![same("n1")]));
    assert_eq!(alone(bare)[0].about.name, "lone");
    // One that ran there before its node was taken away.
    assert!(alone(&(bare.to_owned() + "status: {startTime: '2026-11-25T09:00:00Z'}\n")).is_empty());
}

#[test]
fn others_that_want_to_be_alone() {
    let lonely = "---
apiVersion: v1
kind: Pod
metadata: {name: hermit}
spec: {nodeName: n1, affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}]}}, containers: [{name: a}]}
";
    let finding = one(&world("{containers: [{name: a}]}", lonely, vec![same("n1")]));
    says(&finding, &["pod hermit on node n1 forbids with its podAntiAffinity pods with app=web"]);
    assert!(on(placement, &world("{containers: [{name: a}]}", lonely, vec![same("n1"), same("n2")])).is_empty());
    assert!(
        on(placement, &world("{containers: [{name: a}]}", &lonely.replace("app: web", "app: db"), vec![same("n1")]))
            .is_empty()
    );
}

#[test]
fn a_claim_for_one_pod_and_a_port_of_another_namespace() {
    let spec = "{containers: [{name: a}], volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}";
    let others = |mode: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {{accessModes: [{mode}]}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: first}}\nspec: {{nodeName: n1, containers: [{{name: a}}], volumes: [{{name: v, persistentVolumeClaim: {{claimName: data}}}}]}}\n"
        )
    };
    let finding = one(&world(spec, &others("ReadWriteOncePod"), vec![same("n1"), same("n2")]));
    says(&finding, &["claim data is ReadWriteOncePod, which one pod may use at a time, and pod first uses it"]);
    assert!(on(placement, &world(spec, &others("ReadWriteOnce"), vec![same("n1")])).is_empty());
    let spec = "{containers: [{name: a, ports: [{containerPort: 80, hostPort: 80}]}]}";
    let taken = node("n1", json!({}), |n| n.ports.insert(80, "proxy".into()).map_or((), drop));
    says(&one(&world(spec, "", vec![taken.clone()])), &["need hostPort 80, which pod proxy has taken on node n1"]);
    assert!(on(placement, &world(&spec.replace("hostPort: 80", "hostPort: 81"), "", vec![taken])).is_empty());
}

#[test]
fn spreading_counts_the_pods_of_one_revision() {
    let spread = "{topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, matchLabelKeys: [pod-template-hash], labelSelector: {matchLabels: {app: web}}}], containers: [{name: a}]}";
    let zones = || {
        vec![
            node("n1", json!({"zone": "a"}), |_| {}),
            node("n2", json!({"zone": "b"}), |n| n.allocatable.insert("pods".into(), 0).map_or((), drop)),
        ]
    };
    let of = |hash: &str| {
        let mut graph =
            world(spread, &beside("web-0", &format!("{{app: web, pod-template-hash: {hash}}}"), "n1"), zones());
        let mut labels = (*graph.pods[0].labels).clone();
        labels.insert("pod-template-hash".into(), "new".into());
        graph.pods[0].labels = Arc::new(labels);
        on(placement, &graph)
    };
    assert_eq!(of("new").len(), 1);
    assert!(of("old").is_empty(), "those of another revision do not count");
}

#[test]
fn a_resource_with_a_slip_in_its_name() {
    let gpu = node("n1", json!({}), |n| n.allocatable.insert("nvidia.com/gpu".into(), 1000).map_or((), drop));
    let finding = one(&world("{containers: [{name: a, resources: {limits: {nvidia.com/gpus: '1'}}}]}", "", vec![gpu]));
    says(&finding, &["no node offers any nvidia.com/gpus", "did you mean nvidia.com/gpu?"]);
}
