use super::*;
use crate::graph::fixture::{graph, running};
use crate::graph::rules::trial::{found, is, on, one, says, silent};

fn planned(name: &str, spec: &str) -> String {
    let text = running(name, spec);
    text.split("---\napiVersion: v1\nkind: Pod").next().unwrap().to_owned()
}

fn namespace(level: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{pod-security.kubernetes.io/enforce: {level}}}}}\n"
    )
}

const PLAIN: &str = "containers: [{name: web, image: web}]";
const TIGHT: &str = "securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
containers:
- name: web
  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: c}}]";

#[test]
fn a_template_that_the_level_refuses() {
    let finding = one(security, &(planned("web", PLAIN) + &namespace("restricted")));
    is(
        &finding,
        "Deployment/web",
        "spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation",
        "(absent)",
        Standing::Latent,
    );
    says(
        &finding,
        &[
            "Deployment web breaks Pod Security restricted of Namespace shop: container web must set allowPrivilegeEscalation to false (and 3 more), so its next pod is refused",
        ],
    );
    silent(security, &(planned("web", PLAIN) + &namespace("baseline")));
    silent(security, &(planned("web", PLAIN) + &namespace("privileged")));
    silent(security, &(planned("web", TIGHT) + &namespace("restricted")));
    silent(security, &planned("web", PLAIN));
}

#[test]
fn a_level_that_was_raised_is_the_namespaces_doing() {
    let text = running("web", PLAIN) + &running("api", PLAIN) + &namespace("restricted");
    let finding = one(security, &text);
    is(
        &finding,
        "Namespace/shop",
        "metadata.labels[pod-security.kubernetes.io/enforce]",
        "restricted",
        Standing::Latent,
    );
    assert_eq!((finding.concerns.len(), finding.about.kind.as_str()), (2, "Deployment"));
    says(&finding, &["Pod Security restricted of Namespace shop refuses the next pod of Deployment api"]);
    // A webhook completes the pods.
    let mut g = graph(&(running("web", PLAIN) + &namespace("restricted")));
    let good = graph(&running("web", TIGHT));
    g.pods[0].spec = good.pods[0].spec.clone();
    assert!(on(security, &g).is_empty());
}

#[test]
fn what_each_level_forbids() {
    let path = |spec: &str, restricted: bool| {
        let g = graph(&planned("web", spec));
        breach(&g.workloads[0].spec, restricted).map(|breach| breach.path)
    };
    for (spec, expected) in [
        ("hostNetwork: true\ncontainers: []", "hostNetwork"),
        ("hostPID: true\ncontainers: []", "hostPID"),
        ("containers: [{name: a, ports: [{containerPort: 80, hostPort: 80}]}]", "containers[0].ports[0].hostPort"),
        ("containers: []\nvolumes: [{name: v, hostPath: {path: /}}]", "volumes[0].hostPath"),
        ("containers: [{name: a, securityContext: {privileged: true}}]", "containers[0].securityContext.privileged"),
        (
            "containers: [{name: a, securityContext: {capabilities: {add: [SYS_ADMIN]}}}]",
            "containers[0].securityContext.capabilities.add",
        ),
        ("containers: [{name: a, securityContext: {procMount: Unmasked}}]", "containers[0].securityContext.procMount"),
        (
            "containers: [{name: a, securityContext: {seccompProfile: {type: Unconfined}}}]",
            "containers[0].securityContext.seccompProfile.type",
        ),
        (
            "containers: []\nsecurityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}",
            "securityContext.sysctls[0].name",
        ),
        (
            "containers: []\ninitContainers: [{name: i, securityContext: {privileged: true}}]",
            "initContainers[0].securityContext.privileged",
        ),
    ] {
        assert_eq!(path(spec, false).as_deref(), Some(expected), "{spec}");
    }
    let strict = |change: &dyn Fn(&str) -> String| path(&change(TIGHT), true);
    assert_eq!(strict(&str::to_owned), None);
    let root = strict(&|text| text.replace("runAsNonRoot: true", "runAsNonRoot: true, runAsUser: 0"));
    assert_eq!(root.as_deref(), Some("securityContext.runAsUser"));
    let user = strict(&|text| text.replace("runAsNonRoot: true", "runAsNonRoot: false"));
    assert_eq!(user.as_deref(), Some("containers[0].securityContext.runAsNonRoot"));
    let disk = strict(&|text| text.replace("emptyDir: {}", "nfs: {server: a, path: /b}"));
    assert_eq!(disk.as_deref(), Some("volumes[0].nfs"));
    let added = strict(&|text| text.replace("NET_BIND_SERVICE", "CHOWN"));
    assert_eq!(added.as_deref(), Some("containers[0].securityContext.capabilities.add"));
}

fn range(limits: &str) -> String {
    format!("---\napiVersion: v1\nkind: LimitRange\nmetadata: {{name: bounds}}\nspec: {{limits: [{limits}]}}\n")
}

fn sized(resources: &str) -> String {
    format!("containers: [{{name: web, resources: {resources}}}]")
}

#[test]
fn bounds_of_a_limit_range() {
    let max = range("{type: Container, max: {memory: 1Gi}}");
    let finding = one(limits, &(planned("web", &sized("{limits: {memory: 2Gi}}")) + &max));
    is(&finding, "Deployment/web", "spec.template.spec.containers[0].resources.limits.memory", "2Gi", Standing::Latent);
    says(
        &finding,
        &["breaks LimitRange bounds (max memory 1Gi per Container): container web has a limit of 2Gi memory"],
    );
    silent(limits, &(planned("web", &sized("{limits: {memory: 1Gi}}")) + &max));
    silent(limits, &(planned("web", &sized("{}")) + &max));
    let min = range("{type: Container, min: {cpu: 100m}}");
    says(&one(limits, &(planned("web", &sized("{requests: {cpu: 50m}}")) + &min)), &["container web requests 50m cpu"]);
    let ratio = range("{type: Container, maxLimitRequestRatio: {memory: '2'}}");
    assert_eq!(
        found(limits, &(planned("web", &sized("{requests: {memory: 1Gi}, limits: {memory: 3Gi}}")) + &ratio)).len(),
        1
    );
    silent(limits, &(planned("web", &sized("{requests: {memory: 1Gi}, limits: {memory: 2Gi}}")) + &ratio));
    let pod = range("{type: Pod, max: {cpu: '1'}}");
    let two = "containers: [{name: a, resources: {limits: {cpu: 700m}}}, {name: b, resources: {limits: {cpu: 700m}}}]";
    says(&one(limits, &(planned("web", two) + &pod)), &["the pod has a limit of 1400m cpu"]);
    // The bound is newer than the pods.
    let finding = one(limits, &(running("web", &sized("{limits: {memory: 2Gi}}")) + &max));
    is(&finding, "LimitRange/bounds", "spec.limits[0].max.memory", "1Gi", Standing::Latent);
    silent(limits, &range("{type: PersistentVolumeClaim, max: {storage: 1Gi}}"));
}

fn quota(hard: &str, used: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: compute}}\nspec: {{hard: {hard}}}\nstatus: {{hard: {hard}, used: {used}}}\n"
    )
}

#[test]
fn a_quota_demands_what_it_counts() {
    let text = quota("{limits.memory: 4Gi, pods: '10'}", "{limits.memory: 1Gi, pods: '1'}");
    let finding = one(demands, &(planned("web", PLAIN) + &text));
    is(
        &finding,
        "Deployment/web",
        "spec.template.spec.containers[0].resources.limits.memory",
        "(absent)",
        Standing::Latent,
    );
    says(&finding, &["container web must set limits.memory"]);
    silent(demands, &(planned("web", &sized("{limits: {memory: 1Gi}}")) + &text));
    // A LimitRange fills it in.
    silent(demands, &(planned("web", PLAIN) + &text + &range("{type: Container, default: {memory: 1Gi}}")));
    let scoped = text.replace("spec: {", "spec: {scopes: [BestEffort], ");
    silent(demands, &(planned("web", PLAIN) + &scoped));
    assert_eq!(one(demands, &(running("web", PLAIN) + &text)).cause.object.kind, "ResourceQuota");
}

#[test]
fn a_rollout_that_has_no_room() {
    let rolling = |text: String, strategy: &str| {
        text.replace("  replicas: 1\n", &format!("  replicas: 2\n  strategy: {{rollingUpdate: {strategy}}}\n"))
    };
    let web = rolling(running("web", PLAIN), "{maxUnavailable: 25%, maxSurge: 25%}");
    let full = quota("{pods: '2'}", "{pods: '2'}");
    let finding = one(surge, &(web.clone() + &full));
    // A quota may be full for years; only a rollout that hangs on it makes it a fault.
    is(&finding, "ResourceQuota/compute", "spec.hard.pods", "2", Standing::Suspect);
    assert_eq!(finding.concerns[0].name, "web");
    says(&finding, &["The next rollout of Deployment web cannot begin", "has no pods left of 2"]);
    silent(surge, &(web.clone() + &quota("{pods: '3'}", "{pods: '2'}")));
    // A resource that the pods do not take.
    silent(surge, &(web + &quota("{requests.nvidia.com/gpu: '2'}", "{requests.nvidia.com/gpu: '2'}")));
    silent(surge, &(rolling(running("web", PLAIN), "{maxUnavailable: 1, maxSurge: 1}") + &full));
    silent(surge, &(running("web", PLAIN) + &full));
}

fn hook(kind: &str, more: &str, service: &str) -> String {
    format!(
        "---
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}
metadata: {{name: gate}}
webhooks:
- name: pods.gate.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {{service: {service}}}
  rules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]
{more}
"
    )
}

const GATE: &str = "---
apiVersion: v1
kind: Service
metadata: {name: gate}
spec: {selector: {app: gate}, ports: [{port: 443}]}
";

#[test]
fn a_webhook_that_nobody_answers() {
    let here = hook("ValidatingWebhookConfiguration", "", "{namespace: shop, name: gate}");
    let finding = one(webhooks, &here);
    is(
        &finding,
        "ValidatingWebhookConfiguration/gate",
        "webhooks[0].clientConfig.service.name",
        "gate",
        Standing::Outage,
    );
    says(&finding, &["Service gate in namespace shop, which does not exist, and failurePolicy is Fail"]);
    assert_eq!((finding.about.kind.as_str(), finding.rule), ("Service", Rule::AdmissionBlocked));
    says(&one(webhooks, &(here.clone() + GATE)), &["which selects no pods"]);
    silent(webhooks, &(here.clone() + GATE + &running("gate", PLAIN)));
    let zero = planned("gate", PLAIN).replace("replicas: 1", "replicas: 0");
    says(&one(webhooks, &(here.clone() + GATE + &zero)), &["whose Deployment gate is scaled to zero"]);
    assert_eq!(one(webhooks, &(here.clone() + GATE + &planned("gate", PLAIN))).standing, Standing::Suspect);
    // Its pods are there and not ready: they have a cause of their own.
    let waiting = running("gate", PLAIN).replace("status: 'True'", "status: 'False'");
    assert_eq!(one(webhooks, &(here.clone() + GATE + &waiting)).standing, Standing::Suspect);
    let port = hook("MutatingWebhookConfiguration", "", "{namespace: shop, name: gate, port: 8443}");
    says(&one(webhooks, &(port + GATE + &running("gate", PLAIN))), &["which has no port 8443 (it has 443)"]);
}

#[test]
fn a_webhook_that_may_be_silent_or_is_not_asked() {
    let service = "{namespace: shop, name: gate}";
    silent(webhooks, &hook("ValidatingWebhookConfiguration", "  failurePolicy: Ignore", service));
    silent(
        webhooks,
        &hook("ValidatingWebhookConfiguration", "  matchConditions: [{name: x, expression: 'false'}]", service),
    );
    let elsewhere = hook("ValidatingWebhookConfiguration", "", "{namespace: guard, name: gate}");
    silent(webhooks, &elsewhere);
    // Whoever is refused a pod tells it; this explains.
    let found = one(webhooks, &(elsewhere + &running("web", PLAIN)));
    assert_eq!((found.about.name.as_str(), found.standing), ("web", Standing::Suspect));
    let narrow = hook(
        "ValidatingWebhookConfiguration",
        "  namespaceSelector: {matchLabels: {guard: 'on'}}",
        "{namespace: guard, name: gate}",
    );
    let mut g = graph(&(narrow + &running("web", PLAIN)));
    g.workloads[0].troubled = true;
    g.pods.clear();
    assert!(on(webhooks, &g).is_empty());
    let other =
        hook("ValidatingWebhookConfiguration", "", service).replace("resources: [pods]", "resources: [configmaps]");
    silent(webhooks, &other);
}

#[test]
fn a_memory_limit_that_nobody_set_at_the_workload() {
    let range = |limits: &str| {
        format!("---\napiVersion: v1\nkind: LimitRange\nmetadata: {{name: small}}\nspec: {{limits: [{limits}]}}\n")
    };
    let small = range("{type: Container, default: {memory: 32Mi, cpu: 100m}}");
    let finding = one(given, &(running("web", PLAIN) + &small));
    is(&finding, "LimitRange/small", "spec.limits[0].default.memory", "32Mi", Standing::Suspect);
    says(&finding, &["of Deployment web, which sets no memory limit, one of 32Mi"]);
    let own = "containers: [{name: web, image: web, resources: {limits: {memory: 64Mi}}}]";
    silent(given, &(running("web", own) + &small));
    silent(given, &(running("web", PLAIN) + &range("{type: Container, default: {cpu: 100m}}")));
    silent(given, &(running("web", PLAIN) + &range("{type: Pod, max: {memory: 1Gi}}")));
}
