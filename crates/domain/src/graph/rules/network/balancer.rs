//! Services that wait for an address from outside.

use api::shared::{CauseClass, Severity};
use k8s_openapi::api::core::v1::Service;

use super::super::super::{Finding, Standing};
use super::super::{cause, fact};
use super::index::Index;
use super::needs::edited;
use super::{concerned, finding};
use crate::detection::Rule;
use crate::graph::Touch;
use crate::graph::query::of_service;

/// Seconds that a controller may take.
const HOLD: i64 = 60;

pub(super) fn examine(index: &Index, out: &mut Vec<Finding>) {
    for front in index.fronts.iter().filter(|front| waits(front.service)) {
        let service = front.service;
        let class = |service: &Service| service.spec.as_ref().and_then(|spec| spec.load_balancer_class.clone());
        let mut others = index.graph.cluster.services.values();
        let served = others.any(|other| balanced(other) && !waits(other) && class(other) == class(service));
        let touched = Touch::of(&service.metadata);
        // Where nothing gives addresses, a Service that was made so is at home there.
        if !served && edited(&service.metadata, touched.as_ref()) != Some(true) {
            continue;
        }
        let object = of_service(service);
        let (field, value) = match class(service) {
            Some(class) => ("spec.loadBalancerClass", class),
            None => ("spec.type", "LoadBalancer".to_owned()),
        };
        let statement = format!(
            "Service {} is of type LoadBalancer{}, and no controller has given it an external address (pending)",
            object.name,
            if field == "spec.type" { String::new() } else { format!(" with loadBalancerClass {value}") }
        );
        let mut cause = cause(&object, CauseClass::ServiceMisconfigured, field, &value, statement, 0.75);
        cause.proof = vec![
            fact(&object, field, value.clone(), "it asks a controller for an address"),
            fact(&object, "status.loadBalancer.ingress", "(absent)", "no controller has given it one"),
        ];
        let needs: Vec<_> = index.needs(&object.name).iter().collect();
        let mut concerns: Vec<_> = front.workloads.iter().map(|workload| workload.object.clone()).collect();
        concerns.extend(concerned(needs.iter().copied()));
        out.push(Finding {
            concerns,
            words: vec![object.name.clone()],
            recommendations: vec![
                "Set its type to what is meant, or run a controller that gives addresses to Services.".into(),
            ],
            severity: Severity::Medium,
            hold: HOLD,
            ..finding(Rule::ServiceBroken, Standing::Latent, &object, cause)
        });
    }
}

fn balanced(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer"))
}

fn waits(service: &Service) -> bool {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let given = status.is_some_and(|balancer| balancer.ingress.as_ref().is_some_and(|list| !list.is_empty()));
    balanced(service) && !given && service.metadata.deletion_timestamp.is_none()
}
