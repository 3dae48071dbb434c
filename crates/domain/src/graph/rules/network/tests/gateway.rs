use super::*;

const CLASS: &str = "---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: edge}
spec: {controllerName: example.org/edge}
";

fn gateway(class: &str, listener: &str, status: &str) -> String {
    format!(
        "---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: front, generation: 2}}
spec:
  gatewayClassName: {class}
  listeners: [{{name: web, port: 80, protocol: HTTP{listener}}}]
status: {{{status}}}
"
    )
}

fn route(parent: &str, backend: &str, more: &str) -> String {
    format!(
        "---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: shop, generation: 3}}
spec:
  parentRefs: [{parent}]
  rules: [{{backendRefs: [{backend}]}}]
  {more}
"
    )
}

fn web() -> String {
    server("web", 8080) + &service("web", "web", 80, "http") + CLASS
}

const GOOD: &str = "{name: web, port: 80}";

#[test]
fn a_gateway_and_a_route_that_fit() {
    silent(
        &(web()
            + &gateway("edge", "", "")
            + &route("{name: front, sectionName: web}", GOOD, "hostnames: [a.example.org]")),
    );
    silent(
        &(web()
            + &gateway("edge", ", hostname: '*.example.org'", "")
            + &route("{name: front}", GOOD, "hostnames: [a.example.org]")),
    );
    // The Gateway of another namespace cannot be seen.
    silent(&(web() + &route("{name: shared, namespace: infra}", GOOD, "")));
}

#[test]
fn names_that_lead_nowhere() {
    let found = outage(&(web() + &gateway("egde", "", "") + &route("{name: front}", GOOD, "")));
    assert_eq!(at(&found), ("Gateway", "front", "spec.gatewayClassName"));
    says(&found, &["GatewayClass egde", "does not exist", "did you mean edge?"]);
    let taken = "conditions: [{type: Accepted, status: 'True', observedGeneration: 2}]";
    silent(&(web() + &gateway("other", "", taken)));

    for (parent, path, words) in [
        ("{name: frnt}", "spec.parentRefs[0].name", "did you mean front?"),
        ("{name: front, sectionName: wbe}", "spec.parentRefs[0].sectionName", "did you mean web?"),
        ("{name: front, port: 81}", "spec.parentRefs[0].port", "port 81"),
    ] {
        let found = outage(&(web() + &gateway("edge", "", "") + &route(parent, GOOD, "")));
        assert_eq!(at(&found), ("HTTPRoute", "shop", path));
        says(&found, &[words]);
    }
    let found = outage(
        &(web()
            + &gateway("edge", ", hostname: b.example.org", "")
            + &route("{name: front}", GOOD, "hostnames: [a.example.org]")),
    );
    assert_eq!(at(&found).2, "spec.hostnames");
    for (backend, path, words) in [
        ("{name: wbe, port: 80}", "spec.rules[0].backendRefs[0].name", "did you mean web?"),
        ("{name: web, port: 8080}", "spec.rules[0].backendRefs[0].port", "did you mean 80?"),
    ] {
        let found = outage(&(web() + &gateway("edge", "", "") + &route("{name: front}", backend, "")));
        assert_eq!(at(&found), ("HTTPRoute", "shop", path));
        says(&found, &[words]);
    }
}

#[test]
fn a_namespace_that_a_listener_does_not_admit() {
    let selecting = ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {exposed: 'yes'}}}}";
    let with = |labels: &str| {
        format!("---\nkind: Namespace\napiVersion: v1\nmetadata: {{name: shop, labels: {labels}}}\n")
            + &web()
            + &gateway("edge", selecting, "")
            + &route("{name: front}", GOOD, "")
    };
    silent(&with("{exposed: 'yes'}"));
    says(&outage(&with("{}")), &["not admitted", "allowedRoutes"]);
}

fn grant(from: &str, to: &str) -> String {
    format!(
        "---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {{name: edge, namespace: bank}}
spec: {{from: [{{group: gateway.networking.k8s.io, {from}}}], to: [{{group: '', {to}}}]}}
"
    )
}

#[test]
fn a_reference_into_another_namespace_needs_its_leave() {
    let away = "{name: api, namespace: bank, port: 80}";
    let api = service("api", "api", 80, "80").replace("name: api", "namespace: bank, name: api");
    let with =
        |more: &str, grant: &str| web() + &api + &gateway("edge", "", "") + &route("{name: front}", away, more) + grant;
    let found = outage(&with("", ""));
    assert_eq!(at(&found), ("HTTPRoute", "shop", "spec.rules[0].backendRefs[0].namespace"));
    says(&found, &["Service api of namespace bank, and no ReferenceGrant in that namespace permits it"]);
    silent(&with("", &grant("kind: HTTPRoute, namespace: shop", "kind: Service")));
    silent(&with("", &grant("kind: HTTPRoute, namespace: shop", "kind: Service, name: api")));
    for (from, to, field) in [
        ("kind: HTTPRoute, namespace: shp", "kind: Service", "spec.from"),
        ("kind: GRPCRoute, namespace: shop", "kind: Service", "spec.from"),
        ("kind: HTTPRoute, namespace: shop", "kind: Service, name: other", "spec.to"),
    ] {
        assert_eq!(at(&outage(&with("", &grant(from, to)))), ("ReferenceGrant", "edge", field), "{from} {to}");
    }
    // Its controller has followed it, whatever permits that.
    let followed = "status: {parents: [{conditions: [{type: ResolvedRefs, status: 'True', observedGeneration: 3}]}]}";
    silent(&(web() + &api + &route("{name: shared, namespace: infra}", away, "") + followed + "\n"));
    let mut unread = graph(&with("", ""));
    unread.unreadable = ["ReferenceGrant".to_owned()].into();
    let mut found = Vec::new();
    super::super::findings(&unread, jiff::Timestamp::UNIX_EPOCH, &mut found);
    assert!(found.is_empty(), "{}", said(&found));
    let tls = "{name: front}";
    let secret = ", tls: {certificateRefs: [{name: cert, namespace: bank}]}";
    let found = outage(&(web() + &gateway("edge", secret, "") + &route(tls, GOOD, "")));
    assert_eq!(at(&found), ("Gateway", "front", "spec.listeners[0].tls.certificateRefs[0].namespace"));
}

#[test]
fn what_a_controller_says_counts_only_for_the_object_as_it_is() {
    let bad = |generation: i64, reason: &str| {
        web()
            + &gateway(
                "edge",
                "",
                &format!(
                    "conditions: [{{type: Accepted, status: 'False', reason: {reason}, message: 'port 80 is taken.', observedGeneration: {generation}}}]"
                ),
            )
    };
    let found = outage(&bad(2, "ListenersNotValid"));
    assert_eq!(at(&found), ("Gateway", "front", "spec.listeners"));
    says(&found, &["Accepted=False (ListenersNotValid)", "port 80 is taken"]);
    silent(&bad(1, "ListenersNotValid"));
    silent(&bad(2, "Pending"));

    let refused = "status: {parents: [{parentRef: {name: shared}, conditions: [{type: ResolvedRefs, status: 'False', reason: RefNotPermitted, message: no grant, observedGeneration: 3}]}]}";
    let text = web() + &route("{name: shared, namespace: infra}", GOOD, "") + refused + "\n";
    let found = outage(&text);
    assert_eq!(at(&found), ("HTTPRoute", "shop", "spec.rules"));
    // What the controller says of a Service that is missing is said already.
    let both = web() + &route("{name: shared, namespace: infra}", "{name: wbe, port: 80}", "") + refused + "\n";
    assert_eq!(at(&outage(&both)).2, "spec.rules[0].backendRefs[0].name");
}
