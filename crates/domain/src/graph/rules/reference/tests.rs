use super::*;
use crate::graph::Standing;
use crate::graph::fixture::{graph, running};
use crate::graph::rules::trial::{found, is, on, one, says, silent};

const MAP: &str = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {host: db, level: info}
";

/// A Deployment without any pod.
fn planned(name: &str, spec: &str) -> String {
    let text = running(name, spec);
    text.split("---\napiVersion: v1\nkind: Pod").next().unwrap().to_owned()
}

fn env(kind: &str, name: &str, key: &str) -> String {
    format!(
        "containers:\n- name: web\n  image: web\n  env:\n  - name: HOST\n    valueFrom: {{{kind}: {{name: {name}, key: {key}}}}}"
    )
}

#[test]
fn a_misspelt_name_is_the_workloads_fault() {
    let text = planned("web", &env("configMapKeyRef", "setings", "host")) + MAP;
    let finding = one(missing, &text);
    is(
        &finding,
        "Deployment/web",
        "spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef",
        "setings",
        Standing::Latent,
    );
    assert_eq!(
        finding.cause.statement,
        "Deployment web refers in env HOST to ConfigMap setings, which does not exist, so the next pod cannot start; did you mean settings?"
    );
    assert_eq!(finding.rule, Rule::NextStart);
    assert!(finding.words.is_empty(), "plain words stand in any line");
    // The key is misspelt.
    let finding = one(missing, &(planned("web", &env("configMapKeyRef", "settings", "hosts")) + MAP));
    is(
        &finding,
        "Deployment/web",
        "spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef",
        "hosts",
        Standing::Latent,
    );
    says(&finding, &["key hosts of ConfigMap settings", "did you mean host?"]);
}

#[test]
fn what_a_ready_pod_had_went_away() {
    let finding = one(missing, &running("web", &env("secretKeyRef", "login", "password")));
    is(&finding, "Secret/login", "metadata.name", "login", Standing::Latent);
    says(&finding, &["Secret login, to which Deployment web refers in env HOST, does not exist any more"]);
    assert!(finding.cause.proof.iter().any(|p| p.object.kind == "Pod"));
    // A key was taken out of a ConfigMap that is there.
    let finding = one(missing, &(running("web", &env("configMapKeyRef", "settings", "port")) + MAP));
    is(&finding, "ConfigMap/settings", "data.port", "port", Standing::Latent);
    // Several workloads need it: one fault.
    let spec = env("secretKeyRef", "login", "password");
    let finding = one(missing, &(running("web", &spec) + &running("api", &spec)));
    assert_eq!(finding.concerns.len(), 2);
    says(&finding, &["to which Deployment api and 1 more refer in env HOST, does not exist any more"]);
    // The same where nothing of them runs: several do not misspell one name.
    let finding = one(missing, &(planned("web", &spec) + &planned("api", &spec)));
    is(&finding, "Secret/login", "metadata.name", "login", Standing::Latent);
    says(&finding, &["Secret login, to which Deployment api and 1 more refer in env HOST, does not exist, so"]);
}

#[test]
fn what_is_there_optional_or_at_rest_is_nothing() {
    silent(missing, &(running("web", &env("configMapKeyRef", "settings", "host")) + MAP));
    let optional = "containers:\n- name: web\n  envFrom:\n  - configMapRef: {name: gone, optional: true}\n  - secretRef: {name: gone, optional: true}\nvolumes:\n- name: v\n  configMap: {name: gone, optional: true}";
    silent(missing, &running("web", optional));
    let spec = env("secretKeyRef", "login", "password");
    silent(missing, &running("web", &spec).replace("replicas: 1", "replicas: 0"));
    silent(missing, &running("web", &spec).replace("replicas: 1", "replicas: 1\n  paused: true"));
    silent(
        missing,
        &running(
            "web",
            "serviceAccountName: default\npriorityClassName: system-node-critical\ncontainers: [{name: web}]",
        ),
    );
    // Kinds that may not be read.
    let mut unread = graph(&running("web", &spec));
    unread.unreadable = ["Secret".to_owned()].into();
    assert!(on(missing, &unread).is_empty());
    // Keys that may not be read.
    let mut unread = graph(&(running("web", &env("configMapKeyRef", "settings", "nothing")) + MAP));
    unread.config_maps[0].keys = None;
    assert!(on(missing, &unread).is_empty());
    // A Job that is done needs nothing any more.
    silent(
        missing,
        "apiVersion: batch/v1
kind: Job
metadata: {name: load}
spec:
  template: {spec: {containers: [{name: load, envFrom: [{secretRef: {name: gone}}]}]}}
status: {conditions: [{type: Complete, status: 'True'}]}
",
    );
}

#[test]
fn a_troubled_workload_is_only_explained() {
    let mut g = graph(&planned("web", &env("configMapKeyRef", "nothing", "host")));
    g.workloads[0].troubled = true;
    let found = on(missing, &g);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].standing, Standing::Suspect);
}

#[test]
fn volumes_claims_accounts_and_classes() {
    let spec = "serviceAccountName: robot\npriorityClassName: urgent\ncontainers: [{name: web}]\nvolumes:\n- name: a\n  configMap: {name: settings, items: [{key: nothing, path: x}]}\n- name: b\n  secret: {secretName: gone}\n- name: c\n  persistentVolumeClaim: {claimName: data}\n- name: d\n  projected: {sources: [{configMap: {name: absent}}, {configMap: {name: kube-root-ca.crt}}]}";
    let all = found(missing, &(planned("web", spec) + MAP));
    let mut paths: Vec<&str> = all.iter().filter_map(|f| f.cause.path.as_deref()).collect();
    let expected = [
        "spec.template.spec.priorityClassName",
        "spec.template.spec.serviceAccountName",
        "spec.template.spec.volumes[0].configMap.items[0].key",
        "spec.template.spec.volumes[1].secret.secretName",
        "spec.template.spec.volumes[2].persistentVolumeClaim.claimName",
        "spec.template.spec.volumes[3].projected.sources[0].configMap.name",
    ];
    paths.sort_unstable();
    assert_eq!(paths, expected);
    let account = all.iter().find(|f| f.cause.statement.contains("ServiceAccount")).unwrap();
    says(account, &["ServiceAccount robot, which does not exist, so the next pod is refused"]);
    // The claims of a StatefulSet come from its templates.
    silent(
        missing,
        "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db}], volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]}
  volumeClaimTemplates: [{metadata: {name: data}}]
",
    );
}

#[test]
fn the_config_map_that_was_edited_later_is_at_fault() {
    let text = planned("web", &env("configMapKeyRef", "settings", "port")) + MAP;
    let fields = |at: &str| format!("managedFields: [{{manager: kubectl-edit, operation: Update, time: '{at}'}}]");
    let early = fields("2026-11-25T09:00:00Z");
    let text = text.replace("metadata:\n  name: web", &format!("metadata:\n  {early}\n  name: web"));
    let later = text.replace("{name: settings}", &format!("{{name: settings, {}}}", fields("2026-11-25T09:30:00Z")));
    is(&one(missing, &later), "ConfigMap/settings", "data.port", "port", Standing::Latent);
    let together = text.replace("{name: settings}", &format!("{{name: settings, {}}}", fields("2026-11-25T09:00:02Z")));
    assert_eq!(one(missing, &together).cause.object.kind, "Deployment");
}

#[test]
fn a_cron_job_needs_it_at_its_next_run() {
    let text = "apiVersion: batch/v1
kind: CronJob
metadata: {name: backup}
spec:
  schedule: '0 * * * *'
  jobTemplate: {spec: {template: {spec: {containers: [{name: backup, envFrom: [{secretRef: {name: bucket}}]}]}}}}
";
    let finding = one(missing, text);
    is(
        &finding,
        "CronJob/backup",
        "spec.jobTemplate.spec.template.spec.containers[0].envFrom[0].secretRef.name",
        "bucket",
        Standing::Latent,
    );
    silent(missing, &text.replace("spec:\n  schedule", "spec:\n  suspend: true\n  schedule"));
    // It has succeeded since it was changed: the Secret was there.
    let ran = text.replace(
        "{name: backup}\n",
        "{name: backup, managedFields: [{manager: helm, operation: Update, time: '2026-11-20T00:00:00Z'}]}\n",
    ) + "status: {lastSuccessfulTime: '2026-11-25T09:00:05Z'}\n";
    assert_eq!(one(missing, &ran).cause.object.kind, "Secret");
}

#[test]
fn a_bare_pod_reads_only_its_environment_again() {
    let pod = |spec: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: solo}}\nspec: {spec}\n");
    silent(missing, &pod("{containers: [{name: a}], volumes: [{name: v, configMap: {name: gone}}]}"));
    let finding = one(missing, &pod("{containers: [{name: a, envFrom: [{configMapRef: {name: gone}}]}]}"));
    assert_eq!(finding.cause.path.as_deref(), Some("spec.containers[0].envFrom[0].configMapRef.name"));
}

#[test]
fn credentials_for_a_registry() {
    let spec = "imagePullSecrets: [{name: registry}]\ncontainers: [{name: web, image: example.com/web}]";
    let finding = one(pull_secrets, &planned("web", spec));
    is(&finding, "Deployment/web", "spec.template.spec.imagePullSecrets[0].name", "registry", Standing::Suspect);
    let secret =
        |type_: &str| format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: registry}}\ntype: {type_}\n");
    says(
        &one(pull_secrets, &(planned("web", spec) + &secret("Opaque"))),
        &["whose type is Opaque", "so it is ignored"],
    );
    silent(pull_secrets, &(planned("web", spec) + &secret("kubernetes.io/dockerconfigjson")));
    // What several name is missing, not misspelt.
    let finding = one(pull_secrets, &(planned("web", spec) + &planned("api", spec)));
    is(&finding, "Secret/registry", "metadata.name", "registry", Standing::Suspect);
    assert_eq!(finding.concerns.len(), 2);
}

#[test]
fn a_file_that_is_mounted_alone_has_to_be_a_key() {
    let spec = |file: &str| {
        format!(
            "containers:\n- name: web\n  volumeMounts: [{{name: v, mountPath: /etc/app.conf, subPath: {file}}}]\nvolumes: [{{name: v, configMap: {{name: files}}}}]"
        )
    };
    let files = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: files}\ndata: {app.conf: x}\n";
    silent(sub_paths, &(running("web", &spec("app.conf")) + files));
    let finding = one(sub_paths, &(running("web", &spec("app.cnf")) + files));
    is(
        &finding,
        "Deployment/web",
        "spec.template.spec.containers[0].volumeMounts[0].subPath",
        "app.cnf",
        Standing::Suspect,
    );
    says(&finding, &["which has no such key", "did you mean app.conf?"]);
    let items =
        spec("conf/app.conf").replace("{name: files}", "{name: files, items: [{key: app.conf, path: conf/app.conf}]}");
    silent(sub_paths, &(running("web", &items) + files));
}

#[test]
fn a_large_namespace_takes_no_longer_than_it_must() {
    let spec = env("configMapKeyRef", "settings", "port");
    let mut g = graph(&(running("web", &spec) + MAP));
    for n in 0..500 {
        let mut workload = g.workloads[0].clone();
        workload.object.name = format!("web-{n}");
        g.workloads.push(workload);
        for p in 0..10 {
            let mut pod = g.pods[0].clone();
            pod.object.name = format!("web-{n}-{p}");
            pod.workload.name = format!("web-{n}");
            g.pods.push(pod);
        }
        let mut map = g.config_maps[0].clone();
        map.object.name = format!("settings-{n}");
        g.config_maps.push(map);
    }
    let start = std::time::Instant::now();
    let found = on(missing, &g);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].concerns.len(), 501);
    assert!(start.elapsed() < std::time::Duration::from_secs(2), "{:?}", start.elapsed());
}
