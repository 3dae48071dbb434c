//! Each tool with faults and with their harmless twins.

use super::*;
use crate::graph::fixture::{graph, running};
use crate::graph::rules::trial::{NOW, found, is, on, one, says, silent};

fn app(spec: &str, status: &str) -> String {
    format!(
        "---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: web, creationTimestamp: '2026-11-20T08:00:00Z'}}
spec: {{project: default, source: {{repoURL: 'https://git.example.org/shop.git', path: apps/web, targetRevision: release-7}}, destination: {{namespace: shop}}{spec}}}
status: {{{status}}}
"
    )
}

const OUT: &str = "{group: apps, version: v1, kind: Deployment, name: web, namespace: shop, status: OutOfSync, health: {status: Healthy}}";
const DONE: &str = "operationState: {phase: Succeeded, finishedAt: '2026-11-25T09:00:00Z'}";

#[test]
fn an_application_that_fails_to_sync_names_what_was_refused() {
    let refused = "{group: apps, version: v1, kind: Deployment, name: web, namespace: shop, status: SyncFailed, message: 'Deployment.apps \"web\" is invalid: spec.template.spec.containers[0].image: Required value'}";
    let failed = |phase: &str, sync: &str, resources: &str| {
        app(
            "",
            &format!(
                "sync: {{status: {sync}}}, operationState: {{phase: {phase}, finishedAt: '2026-11-25T09:59:00Z', message: 'one or more objects failed to apply', syncResult: {{revision: abcdef0123456, resources: [{resources}]}}}}"
            ),
        )
    };
    let finding = one(applications, &failed("Failed", "OutOfSync", refused));
    assert_eq!((finding.about.kind.as_str(), finding.signal), ("Application", SignalType::ArgocdDegraded));
    assert_eq!(finding.cause.object.kind, "Deployment");
    assert_eq!(finding.cause.path.as_deref(), Some("spec.template.spec.containers[0].image"));
    says(&finding, &["Application web fails to sync revision abcdef01: Deployment web is refused", "Required value"]);
    let finding = one(applications, &failed("Error", "Unknown", ""));
    is(
        &finding,
        "Application/web",
        "status.operationState.phase",
        "one or more objects failed to apply",
        Standing::Outage,
    );
    // It goes on, it was put right since, or it is asked for anew.
    silent(applications, &failed("Running", "OutOfSync", refused));
    silent(applications, &failed("Succeeded", "Synced", ""));
    silent(applications, &failed("Failed", "Synced", refused));
    silent(applications, &(failed("Failed", "OutOfSync", refused) + "operation: {sync: {}}\n"));
}

#[test]
fn an_application_that_cannot_be_compared_names_the_field() {
    let with = |type_: &str, message: &str, since: &str| {
        app(
            "",
            &format!(
                "sync: {{status: Unknown}}, conditions: [{{type: {type_}, message: \"{message}\", lastTransitionTime: '{since}'}}]"
            ),
        )
    };
    for (type_, message, path, value) in [
        (
            "ComparisonError",
            "Failed to load target state: Unable to resolve 'release-7' to a commit SHA",
            "spec.source.targetRevision",
            "release-7",
        ),
        ("ComparisonError", "apps/web: app path does not exist", "spec.source.path", "apps/web"),
        ("InvalidSpecError", "Application referencing project default which does not exist", "spec.project", "default"),
        ("InvalidSpecError", "there are no clusters with this name", "spec", "InvalidSpecError"),
    ] {
        let finding = one(applications, &with(type_, message, "2026-11-25T09:50:00Z"));
        is(&finding, "Application/web", path, value, Standing::Outage);
    }
    silent(applications, &with("ComparisonError", "apps/web: app path does not exist", "2026-11-25T09:58:00Z"));
    silent(applications, &with("OrphanedResourceWarning", "there are 3", "2026-11-25T09:50:00Z"));
}

#[test]
fn a_degraded_application_points_to_what_is_not_well() {
    let bad = "{group: apps, version: v1, kind: Deployment, name: web, namespace: shop, status: Synced, health: {status: Degraded, message: 'exceeded its progress deadline'}}";
    let finding = one(
        applications,
        &app("", &format!("health: {{status: Degraded}}, sync: {{status: Synced}}, resources: [{bad}]")),
    );
    is(&finding, "Deployment/web", "status", "Degraded", Standing::Outage);
    says(
        &finding,
        &["Application web is Degraded: Deployment web does not become healthy, exceeded its progress deadline"],
    );
    // A workload that is in trouble says more itself.
    let workload = running("web", "containers: [{name: a}]");
    let finding =
        one(applications, &(workload + &app("", &format!("health: {{status: Degraded}}, resources: [{bad}]"))));
    assert_eq!(finding.concerns.len(), 1);
    for well in ["Healthy", "Progressing", "Suspended", "Missing"] {
        silent(applications, &app("", &format!("health: {{status: {well}}}, sync: {{status: Synced}}")));
    }
}

#[test]
fn a_difference_counts_once_it_lasts() {
    let automated = ", syncPolicy: {automated: {selfHeal: true}}";
    let out = |spec: &str, resources: &str, done: &str| {
        app(
            spec,
            &format!("sync: {{status: OutOfSync}}, health: {{status: Healthy}}, {done}, resources: [{resources}]"),
        )
    };
    let finding = one(applications, &out("", OUT, DONE));
    is(&finding, "Application/web", "status.sync.status", "OutOfSync", Standing::Latent);
    assert_eq!((finding.signal, finding.severity, finding.hold), (SignalType::ConfigDrift, Severity::Low, 1800));
    says(&finding, &["and nobody syncs it: Deployment web differs"]);
    says(&one(applications, &out(automated, OUT, DONE)), &["although it syncs by itself"]);
    // A sync is going on, one has just been, or the source has only lost something.
    silent(applications, &out("", OUT, &DONE.replace("Succeeded", "Running")));
    silent(applications, &out("", OUT, &DONE.replace("09:00", "09:45")));
    silent(applications, &out(automated, OUT, &DONE.replace("09:00", "09:55")));
    silent(applications, &out("", &OUT.replace("status: OutOfSync", "status: OutOfSync, requiresPruning: true"), DONE));
    silent(applications, &app("", &format!("sync: {{status: Synced}}, health: {{status: Healthy}}, {DONE}")));
    let at = crate::graph::rules::next_look(
        &graph(&out(automated, OUT, &DONE.replace("09:00", "09:55"))),
        NOW.parse().unwrap(),
    );
    assert_eq!(at.map(|at| at.to_string()).as_deref(), Some("2026-11-25T10:05:01Z"));
}

#[test]
fn a_rollout_that_is_degraded_or_names_a_service_that_is_not_there() {
    let rollout = |spec: &str, status: &str| {
        format!(
            "---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: web}}\nspec: {{{spec}}}\nstatus: {{{status}}}\n"
        )
    };
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web-active}\nspec: {}\n";
    let blue = |name: &str| {
        rollout(&format!("strategy: {{blueGreen: {{activeService: {name}}}}}"), "phase: Degraded, message: InvalidSpec")
    };
    let finding = one(rollouts, &(blue("web-actve") + service));
    is(&finding, "Rollout/web", "spec.strategy.blueGreen.activeService", "web-actve", Standing::Outage);
    says(&finding, &["Service web-actve, which does not exist; did you mean web-active?"]);
    let finding =
        one(rollouts, &rollout("", "phase: Degraded, message: 'RolloutAborted: metric success-rate assessed Failed'"));
    says(&finding, &["Rollout web is Degraded: RolloutAborted: metric success-rate assessed Failed"]);
    assert_eq!(finding.signal, SignalType::DeployFailing);
    silent(rollouts, &rollout("paused: true", "phase: Degraded"));
    for phase in ["Healthy", "Progressing", "Paused"] {
        silent(rollouts, &rollout("", &format!("phase: {phase}")));
    }
    let mut unread = graph(&blue("web-actve").replace("phase: Degraded, ", ""));
    unread.unreadable = ["Service".to_owned()].into();
    assert!(on(rollouts, &unread).is_empty());
}

fn flux(kind: &str, spec: &str, ready: &str) -> String {
    let group = match kind {
        "Kustomization" => "kustomize.toolkit.fluxcd.io/v1",
        "HelmRelease" => "helm.toolkit.fluxcd.io/v2",
        _ => "source.toolkit.fluxcd.io/v1",
    };
    format!(
        "---\napiVersion: {group}\nkind: {kind}\nmetadata: {{name: {}, generation: 3}}\nspec: {{{spec}}}\nstatus: {{{ready}}}\n",
        kind.to_lowercase()
    )
}

fn ready(status: &str, reason: &str, message: &str, since: &str) -> String {
    format!(
        "conditions: [{{type: Ready, status: '{status}', reason: {reason}, message: \"{message}\", lastTransitionTime: '{since}', observedGeneration: 3}}]"
    )
}

const LONG_AGO: &str = "2026-11-25T09:30:00Z";

#[test]
fn sources_and_kustomizations_that_are_not_ready_name_the_field() {
    let git = "url: 'https://git.example.org/shop.git', ref: {branch: mian}";
    let missing = "failed to checkout and determine revision: couldn't find remote ref 'refs/heads/mian'";
    let finding = one(synced, &flux("GitRepository", git, &ready("False", "GitOperationFailed", missing, LONG_AGO)));
    is(&finding, "GitRepository/gitrepository", "spec.ref.branch", "mian", Standing::Outage);
    assert_eq!(finding.signal, SignalType::ConfigDrift);
    let source = flux("GitRepository", "url: a", &ready("True", "Succeeded", "", LONG_AGO));
    let of = "sourceRef: {kind: GitRepository, name: gitrepository}, path: ./apps/shpo";
    let bad = |reason: &str, message: &str, since: &str| {
        source.clone() + &flux("Kustomization", of, &ready("False", reason, message, since))
    };
    let path = "kustomization path not found: stat tmp/apps/shpo: no such file or directory";
    // The path stands behind a directory of the controller.
    assert_eq!(found(synced, &bad("ArtifactFailed", path, LONG_AGO)).len(), 1);
    let health = "health check failed after 30s: timeout waiting for: [Deployment/shop/web status: 'InProgress']";
    let finding = one(synced, &bad("HealthCheckFailed", health, LONG_AGO));
    assert_eq!((finding.cause.object.kind.as_str(), finding.cause.object.name.as_str()), ("Deployment", "web"));
    // It is only just so, it is being worked on, it rests, or it spoke of an older generation.
    silent(synced, &bad("HealthCheckFailed", health, "2026-11-25T09:57:00Z"));
    silent(synced, &bad("HealthCheckFailed", health, LONG_AGO).replace("status: 'False'", "status: Unknown"));
    silent(synced, &bad("HealthCheckFailed", health, LONG_AGO).replace(of, &format!("suspend: true, {of}")));
    silent(
        synced,
        &bad("HealthCheckFailed", health, LONG_AGO).replace("observedGeneration: 3", "observedGeneration: 2"),
    );
    silent(
        synced,
        &(source.clone() + &flux("Kustomization", of, &ready("True", "ReconciliationSucceeded", "", LONG_AGO))),
    );
}

#[test]
fn what_waits_for_something_that_is_not_well_says_nothing_of_its_own() {
    let source = flux(
        "GitRepository",
        "url: 'https://git.example.org/x'",
        &ready("False", "GitOperationFailed", "timed out", LONG_AGO),
    );
    let of = "sourceRef: {kind: GitRepository, name: gitrepository}";
    let waits = flux(
        "Kustomization",
        of,
        &ready("False", "ArtifactFailed", "Source artifact not found, retrying in 30s", LONG_AGO),
    );
    let all = found(synced, &(source + &waits));
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].about.kind, "GitRepository");
    // The source is not there at all.
    let finding = one(
        synced,
        &(waits.clone() + &flux("GitRepository", "url: a", "").replace("name: gitrepository", "name: gitrepositry")),
    );
    is(&finding, "Kustomization/kustomization", "spec.sourceRef.name", "gitrepository", Standing::Outage);
    says(&finding, &["GitRepository gitrepository, which does not exist; did you mean gitrepositry?"]);
    let other = "sourceRef: {kind: GitRepository, name: gitrepository, namespace: infra}";
    silent(synced, &flux("Kustomization", other, &ready("True", "ReconciliationSucceeded", "", LONG_AGO)));
    let mut unread = graph(&flux("Kustomization", of, ""));
    unread.unreadable = ["GitRepository".to_owned()].into();
    assert!(on(synced, &unread).is_empty());
}

#[test]
fn a_helm_release_of_flux_that_fails() {
    let message =
        "Helm upgrade failed for release shop/web with chart web@1.2.3: cannot patch: Deployment.apps 'web' is invalid";
    let failed = ready("False", "UpgradeFailed", message, "2026-11-25T09:58:00Z");
    let finding = one(synced, &flux("HelmRelease", "chart: {spec: {chart: web, version: 1.2.3}}", &failed));
    assert_eq!((finding.signal, finding.severity), (SignalType::HelmReleaseFailed, Severity::High));
    silent(synced, &flux("HelmRelease", "", &failed.replace("09:58:00", "09:59:30")));
    let values = "valuesFrom: [{kind: ConfigMap, name: web-vals}, {kind: ConfigMap, name: other, optional: true}]";
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-values}\n";
    let finding = one(synced, &(flux("HelmRelease", values, &failed) + map));
    is(&finding, "HelmRelease/helmrelease", "spec.valuesFrom[0].name", "web-vals", Standing::Outage);
    says(&finding, &["did you mean web-values?"]);
    // The chart that was made for it says why it cannot be had, and is not told twice.
    let chart = flux("HelmChart", "chart: web, version: 9.9.9", &ready("False", "InvalidChartReference", "no 'web' chart with version matching '9.9.9' found", LONG_AGO))
        .replace("name: helmchart", "name: shop-helmrelease, labels: {helm.toolkit.fluxcd.io/name: helmrelease, helm.toolkit.fluxcd.io/namespace: shop}");
    let waits = ready("False", "SourceNotReady", "HelmChart 'shop/shop-helmrelease' is not ready", LONG_AGO)
        + ", helmChart: shop/shop-helmrelease";
    let finding =
        one(synced, &(chart + &flux("HelmRelease", "chart: {spec: {chart: webapp, version: 9.9.9}}", &waits)));
    is(&finding, "HelmRelease/helmrelease", "spec.chart.spec.version", "9.9.9", Standing::Outage);
}

fn record(version: u64, status: &str, at: &str) -> String {
    let seconds = at.parse::<Timestamp>().unwrap().as_second();
    format!(
        "---\napiVersion: v1\nkind: Secret\ntype: helm.sh/release.v1\nmetadata: {{name: sh.helm.release.v1.web.v{version}, labels: {{owner: helm, name: web, status: {status}, version: '{version}', modifiedAt: '{seconds}'}}}}\ndata: {{release: c2VjcmV0}}\n"
    )
}

#[test]
fn helm_releases_by_their_records() {
    let before = record(1, "superseded", LONG_AGO) + &record(2, "deployed", LONG_AGO);
    let finding = one(releases, &(before.clone() + &record(3, "failed", LONG_AGO)));
    is(&finding, "Secret/sh.helm.release.v1.web.v3", "metadata.labels.status", "failed", Standing::Outage);
    says(&finding, &["Helm release web has failed at revision 3; revision 2 was the last that was deployed"]);
    assert!(finding.hold >= 30, "an atomic upgrade is rolled back within a moment");
    // Whoever tries again has the same trouble.
    let again = one(releases, &(before.clone() + &record(3, "failed", LONG_AGO) + &record(4, "failed", LONG_AGO)));
    assert_eq!(again.about, finding.about);
    says(&again, &["revisions 3 to 4"]);
    let first = one(releases, &record(1, "failed", LONG_AGO));
    says(&first, &["it was never deployed"]);
    assert_eq!(first.severity, Severity::High);
    let stuck = one(releases, &(before.clone() + &record(3, "pending-upgrade", "2026-11-25T09:00:00Z")));
    says(&stuck, &["Helm release web is pending-upgrade at revision 3", "Helm refuses any other"]);
    // It is being worked on, was rolled back, or is as it should be.
    silent(releases, &(before.clone() + &record(3, "pending-upgrade", "2026-11-25T09:55:00Z")));
    silent(releases, &(before.clone() + &record(3, "failed", LONG_AGO) + &record(4, "deployed", LONG_AGO)));
    silent(releases, &(before.clone() + &record(3, "uninstalled", LONG_AGO)));
    silent(releases, &before);
    let at = crate::graph::rules::next_look(
        &graph(&record(3, "pending-install", "2026-11-25T09:55:00Z")),
        NOW.parse().unwrap(),
    );
    assert_eq!(at.map(|at| at.to_string()).as_deref(), Some("2026-11-25T10:25:01Z"));
    let by_flux = flux("HelmRelease", "releaseName: web", &ready("True", "UpgradeSucceeded", "", LONG_AGO));
    silent(releases, &(before.clone() + &record(3, "failed", LONG_AGO) + &by_flux));
    let text = format!("{:?}", graph(&before).others);
    assert!(!text.contains("c2VjcmV0"), "the payload is not read");
}

#[test]
fn a_release_whose_workload_is_in_trouble_leaves_it_to_that() {
    let web = running("web", "containers: [{name: a}]").replacen(
        "  name: web\n",
        "  name: web\n  labels: {app.kubernetes.io/managed-by: Helm, app.kubernetes.io/instance: web}\n",
        1,
    );
    let finding = one(releases, &(web + &record(1, "failed", LONG_AGO)));
    assert_eq!(finding.concerns.len(), 1);
}

fn scaled_object(spec: &str, status: &str) -> String {
    format!(
        "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: web, generation: 1}}\nspec: {{{spec}}}\nstatus: {{{status}}}\n"
    )
}

#[test]
fn scaled_objects_that_scale_nothing() {
    let web = running("web", "containers: [{name: app}]");
    let finding = one(scaled, &(web.clone() + &scaled_object("scaleTargetRef: {name: webb}", "")));
    is(&finding, "ScaledObject/web", "spec.scaleTargetRef.name", "webb", Standing::Outage);
    says(&finding, &["Deployment webb, which does not exist; did you mean web?"]);
    let finding =
        one(scaled, &(web.clone() + &scaled_object("scaleTargetRef: {name: web, envSourceContainerName: apq}", "")));
    is(&finding, "ScaledObject/web", "spec.scaleTargetRef.envSourceContainerName", "apq", Standing::Outage);
    let finding = one(
        scaled,
        &(web.clone() + &scaled_object("scaleTargetRef: {name: web}, minReplicaCount: 5, maxReplicaCount: 3", "")),
    );
    says(&finding, &["minReplicaCount 5, which is more than its maxReplicaCount 3"]);
    let bad = |status: &str| {
        format!(
            "conditions: [{{type: Ready, status: '{status}', reason: TriggerError, message: 'Triggers defined in ScaledObject are not working correctly'}}]"
        )
    };
    let good = "scaleTargetRef: {name: web}, maxReplicaCount: 3";
    let finding = one(scaled, &(web.clone() + &scaled_object(good, &bad("False"))));
    is(&finding, "ScaledObject/web", "spec.triggers", "TriggerError", Standing::Outage);
    assert_eq!(finding.signal, SignalType::AutoscalerError);
    silent(scaled, &(web.clone() + &scaled_object(good, &bad("True"))));
    silent(scaled, &(web.clone() + &scaled_object(good, &bad("Unknown"))));
    let rests = scaled_object(good, &bad("False"))
        .replace("name: web, gen", "annotations: {autoscaling.keda.sh/paused: 'true'}, name: web, gen");
    silent(scaled, &(web.clone() + &rests));
    let foreign = "scaleTargetRef: {apiVersion: example.com/v1, kind: Deployment, name: other}";
    silent(scaled, &(web + &scaled_object(foreign, "")));
}

#[test]
fn what_keda_made_says_nothing_of_its_own() {
    let scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: keda-hpa-web}\nspec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: webb}}\n";
    let both =
        running("web", "containers: [{name: app}]") + scaler + &scaled_object("scaleTargetRef: {name: webb}", "");
    let all = crate::graph::rules::findings(&graph(&both), NOW.parse().unwrap());
    let of = |kind: &str| all.iter().filter(|f| f.about.kind == kind).count();
    assert_eq!((of("ScaledObject"), of("HorizontalPodAutoscaler")), (1, 0));
}

fn certificate(spec: &str, status: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{name: web, generation: 1}}\nspec: {{secretName: web-tls, {spec}}}\nstatus: {{{status}}}\n"
    )
}

const ISSUER: &str = "---\napiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: internal}\nstatus: {conditions: [{type: Ready, status: 'True'}]}\n";
const BY: &str = "issuerRef: {name: internal}";

fn not_ready(reason: &str, message: &str, since: &str) -> String {
    format!(
        "conditions: [{{type: Ready, status: 'False', reason: {reason}, message: \"{message}\", lastTransitionTime: '{since}'}}]"
    )
}

#[test]
fn certificates_that_are_not_issued() {
    let waits = not_ready("DoesNotExist", "Issuing certificate as Secret does not exist", LONG_AGO);
    let finding = one(issued, &(ISSUER.to_owned() + &certificate("issuerRef: {name: internl}", &waits)));
    is(&finding, "Certificate/web", "spec.issuerRef.name", "internl", Standing::Outage);
    says(&finding, &["Issuer internl, which does not exist; did you mean internal?"]);
    assert_eq!((finding.signal, finding.rule), (SignalType::CertificateExpiring, Rule::Certificate));
    says(&one(issued, &(ISSUER.to_owned() + &certificate(BY, &waits))), &["Certificate web cannot be issued"]);
    let failed = "conditions: [{type: Issuing, status: 'False', reason: Failed, message: 'The certificate request has failed: order is invalid', lastTransitionTime: '2026-11-25T09:50:00Z'}]";
    says(&one(issued, &(ISSUER.to_owned() + &certificate(BY, failed))), &["order is invalid"]);
    // It takes its time, its issuer lies elsewhere or is of another kind, or it is there.
    silent(issued, &(ISSUER.to_owned() + &certificate(BY, &waits.replace("09:30", "09:55"))));
    silent(issued, &certificate("issuerRef: {name: x, group: awspca.cert-manager.io, kind: AWSPCAIssuer}", ""));
    silent(issued, &(ISSUER.to_owned() + &certificate(BY, "conditions: [{type: Ready, status: 'True'}]")));
    let mut unread = graph(&certificate("issuerRef: {name: internl}", ""));
    unread.unreadable = ["Issuer".to_owned()].into();
    assert!(on(issued, &unread).is_empty());
}

#[test]
fn an_issuer_that_is_not_ready_is_told_once() {
    let bad = ISSUER.replace("status: 'True'", "status: 'False', reason: ErrGetKeyPair, message: 'secret ca-key not found', lastTransitionTime: '2026-11-25T09:30:00Z'");
    let waits = not_ready("DoesNotExist", "Issuing", LONG_AGO);
    let finding = one(issued, &(bad.clone() + &certificate(BY, &waits)));
    assert_eq!(finding.about.kind, "Issuer");
    says(&finding, &["Issuer internal is not Ready, so it issues no certificate: secret ca-key not found"]);
    let shared = bad.replace("kind: Issuer", "kind: ClusterIssuer");
    let finding = one(issued, &(shared + &certificate("issuerRef: {name: internal, kind: ClusterIssuer}", &waits)));
    assert_eq!((finding.about.kind.as_str(), finding.cause.object.kind.as_str()), ("Certificate", "ClusterIssuer"));
}

#[test]
fn certificates_that_are_not_renewed_in_time() {
    let with = |renewal: &str, end: &str, more: &str| {
        ISSUER.to_owned()
            + &certificate(
                BY,
                &format!(
                    "renewalTime: '{renewal}', notAfter: '{end}', conditions: [{{type: Ready, status: 'True'}}{more}]"
                ),
            )
    };
    let finding = one(issued, &with("2026-10-01T00:00:00Z", "2026-11-24T10:00:00Z", ""));
    is(&finding, "Certificate/web", "status.notAfter", "2026-11-24 10:00 UTC", Standing::Outage);
    assert_eq!(finding.severity, Severity::Critical);
    let finding = one(issued, &with("2026-11-10T00:00:00Z", "2026-12-10T00:00:00Z", ""));
    assert_eq!(finding.standing, Standing::Latent);
    says(&finding, &["Certificate web is not renewed in time: it ends at 2026-12-10"]);
    let why = ", {type: Issuing, status: 'False', reason: Failed, message: rate limited, lastTransitionTime: '2026-11-25T09:30:00Z'}";
    says(
        &one(issued, &with("2026-11-10T00:00:00Z", "2026-12-10T00:00:00Z", why)),
        &["rate limited; the certificate ends at"],
    );
    // A renewal is due, and not late yet.
    silent(issued, &with("2026-11-24T00:00:00Z", "2026-12-24T00:00:00Z", ""));
    silent(issued, &with("2026-12-24T00:00:00Z", "2027-01-24T00:00:00Z", ""));
    silent(issued, &with("2026-11-25T09:00:00Z", "2026-11-25T17:00:00Z", ""));
}

#[test]
fn objects_without_form_are_borne() {
    for (rule, kind, version) in [
        (applications as crate::graph::rules::GraphRule, "Application", "argoproj.io/v1alpha1"),
        (rollouts, "Rollout", "argoproj.io/v1alpha1"),
        (synced, "HelmRelease", "helm.toolkit.fluxcd.io/v2"),
        (scaled, "ScaledObject", "keda.sh/v1alpha1"),
        (issued, "Certificate", "cert-manager.io/v1"),
    ] {
        for rest in [
            "",
            "spec: 7\nstatus: []\n",
            "spec: {scaleTargetRef: [], issuerRef: x, sourceRef: 1}\nstatus: {conditions: {}, resources: x}\n",
        ] {
            silent(rule, &format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n{rest}"));
        }
    }
    // Another group has a kind of the same name.
    silent(
        applications,
        "apiVersion: app.k8s.io/v1\nkind: Application\nmetadata: {name: a}\nstatus: {health: {status: Degraded}}\n",
    );
}
