use super::*;
use crate::graph::fixture::{graph, running};
use crate::graph::rules::trial::{is, on, one, says, silent};

fn scaler(name: &str, target: &str, more: &str) -> String {
    format!(
        "---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: {name}, creationTimestamp: '2026-11-25T08:00:00Z'}}
spec:
  maxReplicas: 5
  scaleTargetRef: {target}
  metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 80}}}}}}]
{more}
"
    )
}

const WEB: &str = "{apiVersion: apps/v1, kind: Deployment, name: web}";

fn web(resources: &str) -> String {
    running("web", &format!("containers: [{{name: web, resources: {resources}}}]"))
}

fn status(condition: &str, more: &str) -> String {
    format!("status: {{desiredReplicas: 5, {more}conditions: [{condition}]}}")
}

#[test]
fn a_target_that_does_not_exist() {
    let finding =
        one(autoscalers, &(web("{requests: {cpu: 1}}") + &scaler("web", "{kind: Deployment, name: webb}", "")));
    is(&finding, "HorizontalPodAutoscaler/web", "spec.scaleTargetRef.name", "webb", Standing::Outage);
    assert_eq!(
        finding.cause.statement,
        "HorizontalPodAutoscaler web refers in scaleTargetRef to Deployment webb, which does not exist; did you mean web?"
    );
    says(
        &one(autoscalers, &(web("{}") + &scaler("web", "{kind: StatefulSet, name: web}", ""))),
        &["did you mean Deployment web?"],
    );
    silent(autoscalers, &scaler("web", "{apiVersion: example.com/v1, kind: Rollout, name: web}", ""));
    let mut unread = graph(&scaler("web", WEB, ""));
    unread.unreadable = ["Deployment".to_owned()].into();
    assert!(on(autoscalers, &unread).is_empty());
}

#[test]
fn a_share_of_a_request_that_is_not_there() {
    let finding = one(autoscalers, &(web("{requests: {memory: 1Gi}}") + &scaler("web", WEB, "")));
    is(
        &finding,
        "Deployment/web",
        "spec.template.spec.containers[0].resources.requests.cpu",
        "(absent)",
        Standing::Outage,
    );
    says(&finding, &["cannot scale Deployment web by cpu utilization: container web has no cpu request"]);
    silent(autoscalers, &(web("{requests: {cpu: 100m}}") + &scaler("web", WEB, "")));
    silent(autoscalers, &(web("{limits: {cpu: 100m}}") + &scaler("web", WEB, "")));
    let value = scaler("web", WEB, "").replace("averageUtilization: 80", "averageValue: 500m");
    silent(autoscalers, &(web("{}") + &value));
    let range = "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: r}\nspec: {limits: [{type: Container, defaultRequest: {cpu: 100m}}]}\n";
    silent(autoscalers, &(web("{}") + &scaler("web", WEB, "") + range));
    // A webhook gave the pods what the template lacks.
    let mut g = graph(&(web("{}") + &scaler("web", WEB, "")));
    g.pods[0].spec = graph(&web("{requests: {cpu: 100m}}")).pods[0].spec.clone();
    assert!(on(autoscalers, &g).is_empty());
    let container = scaler("web", WEB, "").replace(
        "type: Resource, resource: {name: cpu,",
        "type: ContainerResource, containerResource: {name: cpu, container: wbe,",
    );
    let finding = one(autoscalers, &(web("{requests: {cpu: 1}}") + &container));
    says(&finding, &["by cpu of container wbe, which does not exist in Deployment web"]);
}

#[test]
fn conditions_that_it_cannot_work() {
    let base = || web("{requests: {cpu: 1}}");
    let bad = |reason: &str, message: &str, at: &str| {
        format!(
            "{{type: ScalingActive, status: 'False', reason: {reason}, message: '{message}', lastTransitionTime: '{at}'}}"
        )
    };
    let none = bad(
        "FailedGetResourceMetric",
        "the HPA was unable to compute the replica count: no metrics returned",
        "2026-11-25T09:50:00Z",
    );
    let finding = one(autoscalers, &(base() + &scaler("web", WEB, &status(&none, ""))));
    is(
        &finding,
        "HorizontalPodAutoscaler/web",
        "status.conditions[ScalingActive]",
        "FailedGetResourceMetric",
        Standing::Outage,
    );
    says(&finding, &["cannot scale (FailedGetResourceMetric): the HPA was unable"]);
    // Metrics of new pods come late.
    silent(
        autoscalers,
        &(base() + &scaler("web", WEB, &status(&bad("FailedGetResourceMetric", "x", "2026-11-25T09:59:30Z"), ""))),
    );
    silent(
        autoscalers,
        &(base() + &scaler("web", WEB, &status(&bad("ScalingDisabled", "x", "2026-11-25T09:00:00Z"), ""))),
    );
    // Without a metrics API it never worked.
    let absent = bad(
        "FailedGetResourceMetric",
        "the server could not find the requested resource (get pods.metrics.k8s.io)",
        "2026-11-25T09:00:00Z",
    );
    assert_eq!(one(autoscalers, &(base() + &scaler("web", WEB, &status(&absent, "")))).standing, Standing::Suspect);
    let worked = "lastScaleTime: '2026-11-24T00:00:00Z', ";
    assert_eq!(one(autoscalers, &(base() + &scaler("web", WEB, &status(&absent, worked)))).standing, Standing::Outage);
    // Pods in trouble have no metrics.
    let mut g = graph(&(base() + &scaler("web", WEB, &status(&none, ""))));
    g.workloads[0].troubled = true;
    assert_eq!(on(autoscalers, &g)[0].standing, Standing::Suspect);
}

#[test]
fn at_its_maximum_and_wanting_more() {
    let limited = |reason: &str| {
        format!(
            "{{type: ScalingLimited, status: 'True', reason: {reason}, lastTransitionTime: '2026-11-25T09:50:00Z'}}"
        )
    };
    let load = "currentReplicas: 5, currentMetrics: [{type: Resource, resource: {name: cpu, current: {averageUtilization: 190}}}], ";
    let base = || web("{requests: {cpu: 1}}");
    let finding = one(autoscalers, &(base() + &scaler("web", WEB, &status(&limited("TooManyReplicas"), load))));
    is(&finding, "HorizontalPodAutoscaler/web", "spec.maxReplicas", "5", Standing::Outage);
    assert_eq!(finding.signal, SignalType::HpaMaxed);
    says(&finding, &["at its maxReplicas of 5 and would have more; cpu is at 190% of a target of 80%"]);
    silent(autoscalers, &(base() + &scaler("web", WEB, &status(&limited("TooFewReplicas"), load))));
    silent(autoscalers, &(base() + &scaler("web", WEB, &status(&limited("TooManyReplicas"), "currentReplicas: 3, "))));
}

#[test]
fn two_on_one_target() {
    let second = scaler("other", WEB, "").replace("08:00:00", "09:00:00");
    let finding = one(autoscalers, &(web("{requests: {cpu: 1}}") + &second + &scaler("web", WEB, "")));
    is(&finding, "HorizontalPodAutoscaler/other", "spec.scaleTargetRef.name", "web", Standing::Outage);
    says(&finding, &["web and other both scale Deployment web"]);
    let ambiguous =
        "{type: ScalingActive, status: 'False', reason: AmbiguousSelector, lastTransitionTime: '2026-11-25T09:50:00Z'}";
    let first = scaler("web", WEB, &status(ambiguous, ""));
    let second = first.replace("{name: web, creation", "{name: zweb, creation");
    one(autoscalers, &(web("{requests: {cpu: 1}}") + &second + &first));
}

#[test]
fn empty_autoscalers_are_no_trouble() {
    silent(autoscalers, "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: empty}\n");
}
