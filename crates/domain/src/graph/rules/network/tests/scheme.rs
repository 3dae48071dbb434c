//! Clients that speak another protocol than the port.

use super::*;

fn shop(scheme: &str, url: &str) -> String {
    let probe = format!("readinessProbe: {{httpGet: {{path: /, port: 8443, scheme: {scheme}}}}}");
    running(
        "cart",
        &format!("containers:\n- name: main\n  image: i\n  ports: [{{name: web, containerPort: 8443}}]\n  {probe}"),
    ) + &service("cart", "cart", 8443, "web")
        + &client("web", "CART_URL", url)
}

#[test]
fn the_probe_tells_what_a_port_speaks() {
    let found = outage(&shop("HTTPS", "http://cart:8443"));
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.containers[0].env[0].value"));
    says(&found, &["speaks http to port 8443", "answers HTTPS only", "did you mean https?"]);
    let found = outage(&shop("HTTP", "https://cart:8443"));
    says(&found, &["answers plain HTTP only"]);
    silent(&shop("HTTPS", "https://cart:8443"));
    silent(&shop("HTTP", "http://cart:8443"));
    silent(&shop("HTTP", "tcp://cart:8443"));
    // A pod that is not ready proves nothing, and a probe of another port neither.
    silent(
        &shop("HTTPS", "http://cart:8443").replace("{type: Ready, status: 'True'}", "{type: Ready, status: 'False'}"),
    );
    silent(&shop("HTTPS", "http://cart:8443").replace("port: 8443, scheme", "port: 9, scheme"));
}

#[test]
fn a_route_says_what_its_pods_speak() {
    let route = |protocol: &str| {
        let note =
            format!("kubernetes.io/ingress.class: edge, nginx.ingress.kubernetes.io/backend-protocol: {protocol}");
        shop("HTTP", "http://cart:8443")
            + &ingress("front", "cart", "{number: 8443}").replace("kubernetes.io/ingress.class: edge", &note)
    };
    let found = outage(&route("HTTPS"));
    assert_eq!(found.cause.object.kind, "Ingress");
    says(&found, &["speaks https", "answers plain HTTP only"]);
    silent(&route("HTTP"));
    silent(&route("GRPC"));
}
