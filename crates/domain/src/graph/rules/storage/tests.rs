use super::*;
use crate::graph::fixture::graph;
use crate::graph::rules::trial::{is, on, one, says, silent};

const CLASSES: &str = "---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: bronze}
provisioner: example.com/disk
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: by-hand}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
";

fn claim(spec: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, uid: mine, creationTimestamp: '2026-11-25T09:59:50Z'}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 2Gi}}}}, {spec}}}
status: {{phase: Pending}}
"
    )
}

fn volume(name: &str, spec: &str, phase: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}, labels: {{tier: slow}}}}
spec: {{hostPath: {{path: /x}}, {spec}}}
status: {{phase: {phase}}}
"
    )
}

const POD: &str = "---
apiVersion: v1
kind: Pod
metadata: {name: db}
spec: {containers: [{name: db}], volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}
";

#[test]
fn a_class_that_does_not_exist() {
    let finding = one(storage, &(claim("storageClassName: bronz") + CLASSES + POD));
    is(&finding, "PersistentVolumeClaim/data", "spec.storageClassName", "bronz", Standing::Outage);
    assert_eq!(
        finding.cause.statement,
        "PersistentVolumeClaim data refers in storageClassName to StorageClass bronz, which does not exist, so it is not bound; did you mean bronze?"
    );
    assert_eq!((finding.rule, finding.severity), (Rule::ClaimPending, Severity::High));
    assert_eq!(finding.concerns[0].name, "db");
    says(&one(storage, &(claim("storageClassName: gold") + CLASSES)), &["there are bronze, by-hand"]);
    // A class that is only a name binds volumes that carry it.
    let fitting =
        volume("pv", "storageClassName: gold, capacity: {storage: 5Gi}, accessModes: [ReadWriteOnce]", "Available");
    silent(storage, &(claim("storageClassName: gold") + CLASSES + &fitting));
    let mut unread = graph(&(claim("storageClassName: bronz") + CLASSES));
    unread.unreadable = ["StorageClass".to_owned()].into();
    assert!(on(storage, &unread).is_empty());
}

#[test]
fn no_class_and_no_default() {
    let text = claim("volumeMode: Filesystem");
    let finding = one(storage, &(text.clone() + CLASSES + POD));
    is(&finding, "PersistentVolumeClaim/data", "spec.storageClassName", "", Standing::Outage);
    assert_eq!(one(storage, &(text.clone() + CLASSES)).standing, Standing::Suspect, "nobody uses it");
    assert_eq!(
        one(storage, &(claim("storageClassName: bronz") + CLASSES)).standing,
        Standing::Latent,
        "a slip stays one"
    );
    says(&finding, &["no default StorageClass", "StorageClasses are bronze, by-hand"]);
    says(&one(storage, &text), &["there is no StorageClass at all"]);
    let default = CLASSES.replace(
        "{name: bronze}",
        "{name: bronze, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}",
    );
    silent(storage, &(text.clone() + &default));
    silent(storage, &text.replace("phase: Pending", "phase: Bound"));
}

#[test]
fn volumes_that_do_not_fit_say_why() {
    let wants = claim("storageClassName: ''");
    let cases = [
        (
            "capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce]",
            "Available",
            "which has 1Gi, less than the 2Gi requested",
            "spec.resources.requests.storage",
        ),
        (
            "capacity: {storage: 5Gi}, accessModes: [ReadOnlyMany]",
            "Available",
            "which offers ReadOnlyMany and not ReadWriteOnce",
            "spec.accessModes",
        ),
        (
            "capacity: {storage: 5Gi}, accessModes: [ReadWriteOnce], volumeMode: Block",
            "Available",
            "which has volumeMode Block",
            "spec.volumeMode",
        ),
        (
            "capacity: {storage: 5Gi}, accessModes: [ReadWriteOnce], storageClassName: bronze",
            "Available",
            "which has StorageClass bronze",
            "spec.storageClassName",
        ),
        (
            "capacity: {storage: 5Gi}, accessModes: [ReadWriteOnce], claimRef: {namespace: bank, name: other, uid: x}",
            "Bound",
            "which is bound to claim bank/other",
            "spec.volumeName",
        ),
    ];
    for (spec, phase, words, path) in cases {
        let finding = one(storage, &(wants.clone() + &volume("pv", spec, phase)));
        says(
            &finding,
            &[
                "PersistentVolumeClaim data with an empty storageClassName fits no PersistentVolume: the nearest is pv,",
                words,
            ],
        );
        assert_eq!(finding.cause.path.as_deref(), Some(path));
    }
    silent(
        storage,
        &(wants.clone() + &volume("pv", "capacity: {storage: 2Gi}, accessModes: [ReadWriteOnce]", "Available")),
    );
    says(&one(storage, &wants), &["there is no PersistentVolume at all"]);
    let selecting = claim("storageClassName: '', selector: {matchLabels: {tier: fast}}");
    let fits = volume("pv", "capacity: {storage: 5Gi}, accessModes: [ReadWriteOnce]", "Available");
    says(&one(storage, &(selecting + &fits)), &["whose labels the claim's selector does not match"]);
}

#[test]
fn a_released_volume_is_kept_by_its_earlier_claim() {
    let wants = claim("storageClassName: ''");
    let spec =
        "capacity: {storage: 5Gi}, accessModes: [ReadWriteOnce], claimRef: {namespace: shop, name: data, uid: before}";
    let finding = one(storage, &(wants.clone() + &volume("pv", spec, "Released") + POD));
    is(&finding, "PersistentVolume/pv", "spec.claimRef", "shop/data", Standing::Outage);
    says(&finding, &["which is Released and still refers in claimRef to an earlier claim of this name"]);
    // The same claim, not an earlier one: it is being bound.
    silent(storage, &(wants + &volume("pv", &spec.replace("before", "mine"), "Available")));
}

#[test]
fn waiting_as_it_should() {
    // Nobody uses the claim, and its class waits for that.
    silent(storage, &(claim("storageClassName: by-hand") + CLASSES));
    // Somebody does, and volumes are made by hand.
    says(
        &one(storage, &(claim("storageClassName: by-hand") + CLASSES + POD)),
        &["of StorageClass by-hand, which provisions none"],
    );
    // The provisioner gets its time.
    assert_eq!(one(storage, &(claim("storageClassName: bronze") + CLASSES + POD)).standing, Standing::Suspect);
    let old = claim("storageClassName: bronze").replace("09:59:50", "09:50:00");
    let finding = one(storage, &(old.clone() + CLASSES + POD));
    says(
        &finding,
        &[
            "provisioner example.com/disk of StorageClass bronze has made no volume for it, nor any other in this cluster",
        ],
    );
    assert_eq!(finding.standing, Standing::Outage);
    // It has made others.
    let other = volume("pv-7", "capacity: {storage: 1Gi}", "Bound")
        .replace("labels: {tier: slow}", "annotations: {pv.kubernetes.io/provisioned-by: example.com/disk}");
    let finding = one(storage, &(old.clone() + CLASSES + POD + &other));
    says(&finding, &["provisioner example.com/disk of StorageClass bronze has made no volume for it"]);
    assert!(finding.cause.confidence < 0.7);
    // It says why.
    let said = "---
apiVersion: v1
kind: Event
metadata: {name: e}
involvedObject: {kind: PersistentVolumeClaim, name: data, uid: mine}
reason: ProvisioningFailed
type: Warning
message: 'failed to provision volume with StorageClass bronze: rpc error: code = ResourceExhausted desc = quota of disks exceeded.'
lastTimestamp: '2026-11-25T09:59:00Z'
";
    says(
        &one(storage, &(old.clone() + CLASSES + POD + said)),
        &["provisioner example.com/disk of StorageClass bronze fails:", "quota of disks exceeded"],
    );
    // An earlier claim of this name was meant.
    let earlier = one(storage, &(old.clone() + CLASSES + POD + &said.replace("uid: mine", "uid: before")));
    says(&earlier, &["it does not seem to run"]);
    // With a class that waits, the pod has no node yet.
    let waits = CLASSES.replace(
        "provisioner: example.com/disk",
        "provisioner: example.com/disk\nvolumeBindingMode: WaitForFirstConsumer",
    );
    silent(storage, &(old.clone() + &waits + POD));
    let chosen = old.replace("uid: mine,", "uid: mine, annotations: {volume.kubernetes.io/selected-node: n1},");
    assert_eq!(one(storage, &(chosen + &waits + POD)).cause.class, CauseClass::StorageUnavailable);
}

#[test]
fn a_claim_that_names_its_volume_or_lost_it() {
    let finding = one(
        storage,
        &(claim("storageClassName: '', volumeName: pv-2")
            + &volume("pv-1", "capacity: {storage: 5Gi}", "Available")
            + POD),
    );
    is(&finding, "PersistentVolumeClaim/data", "spec.volumeName", "pv-2", Standing::Outage);
    says(&finding, &["PersistentVolume pv-2, which does not exist; did you mean pv-1?"]);
    let small = volume("pv-1", "capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce]", "Available");
    says(
        &one(storage, &(claim("storageClassName: '', volumeName: pv-1") + &small)),
        &["which has 1Gi, less than the 2Gi"],
    );
    let lost = claim("storageClassName: bronze, volumeName: pv-9").replace("Pending", "Lost");
    let finding = one(storage, &(lost + CLASSES));
    is(&finding, "PersistentVolumeClaim/data", "spec.volumeName", "pv-9", Standing::Outage);
    says(&finding, &["is Lost"]);
}

#[test]
fn odd_claims_are_no_trouble() {
    silent(storage, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: empty}\n");
    silent(
        storage,
        &claim("storageClassName: bronz").replace("uid: mine", "deletionTimestamp: '2026-11-25T09:00:00Z', uid: mine"),
    );
    let many: String = (0..900)
        .map(|n| volume(&format!("pv-{n}"), "capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce]", "Available"))
        .collect();
    let finding = one(storage, &(claim("storageClassName: ''") + &many));
    assert!(finding.cause.statement.len() < 300 && finding.cause.proof.len() < 8);
}

#[test]
fn claims_that_a_stateful_set_makes() {
    let set = "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db}]}}
  volumeClaimTemplates: [{metadata: {name: data}}]
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u, controller: true}]}
spec: {containers: [{name: db}]}
";
    let finding =
        one(storage, &(claim("storageClassName: bronz").replace("{name: data,", "{name: data-db-0,") + CLASSES + set));
    assert_eq!((finding.concerns.len(), finding.concerns[0].kind.as_str()), (1, "StatefulSet"));
}

#[test]
fn a_claim_that_does_not_grow() {
    let grown = |at: &str, status: &str| {
        format!(
            "---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, managedFields: [{{manager: kubectl, operation: Update, time: '{at}'}}]}}
spec: {{storageClassName: bronze, resources: {{requests: {{storage: 10Gi}}}}}}
status: {{phase: Bound, capacity: {{storage: 5Gi}}{status}}}
"
        )
    };
    let finding = one(storage, &(grown("2026-11-25T09:00:00Z", "") + CLASSES + POD));
    is(&finding, "PersistentVolumeClaim/data", "spec.resources.requests.storage", "10Gi", Standing::Latent);
    says(&finding, &["PersistentVolumeClaim data asks for 10Gi and still has 5Gi: nothing has resized its volume"]);
    let pending = ", conditions: [{type: FileSystemResizePending, status: 'True'}]";
    says(&one(storage, &grown("2026-11-25T09:00:00Z", pending)), &["grows only when a pod mounts it anew"]);
    let failed = ", conditions: [{type: ControllerResizeError, status: 'True', message: 'rpc error: too large'}]";
    says(&one(storage, &grown("2026-11-25T09:59:50Z", failed)), &["resizing fails: rpc error: too large"]);
    // It has just been asked to, or it has what it asks for.
    silent(storage, &grown("2026-11-25T09:58:00Z", ""));
    silent(storage, &grown("2026-11-25T09:00:00Z", "").replace("10Gi", "5Gi"));
}

#[test]
fn a_class_for_places_where_no_node_is() {
    let class = |zone: &str| {
        format!(
            "---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: zonal}}
provisioner: example.com/disk
volumeBindingMode: WaitForFirstConsumer
allowedTopologies: [{{matchLabelExpressions: [{{key: zone, values: [{zone}]}}]}}]
"
        )
    };
    let world = |zone: &str| {
        let mut g = graph(&(claim("storageClassName: zonal") + &class(zone) + POD));
        let node = crate::diagnosis::NodeRoom {
            name: "n1".into(),
            labels: [("zone".to_owned(), "east-1".to_owned())].into(),
            ready: true,
            ..Default::default()
        };
        let cluster = crate::graph::Surroundings { nodes: vec![node], ..(*g.cluster).clone() };
        g.cluster = std::sync::Arc::new(cluster);
        on(storage, &g)
    };
    let found = world("east-2");
    is(&found[0], "StorageClass/zonal", "allowedTopologies", "zone in [east-2]", Standing::Outage);
    says(&found[0], &["which matches no node; did you mean east-1?"]);
    assert!(world("east-1").is_empty());
}
