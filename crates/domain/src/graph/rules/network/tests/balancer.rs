//! Services that wait for an address.

use super::*;

fn shop(type_: &str, status: &str) -> String {
    server("web", 8080)
        + &service("web", "web", 80, "http").replace("  clusterIP", &format!("  type: {type_}\n  clusterIP"))
        + status
}

#[test]
fn an_address_that_nobody_gives() {
    let waits = shop("LoadBalancer", "");
    let late = |text: &str| changed(text, "Service", "web", 1, 9);
    let found = look(&late(&waits));
    assert_eq!((found.len(), found[0].standing, at(&found[0]).2), (1, Standing::Latent, "spec.type"));
    says(&found[0], &["no controller has given it an external address"]);
    // Where nothing gives addresses, one that was made so is at home.
    silent(&waits);
    silent(&changed(&waits, "Service", "web", 1, 1));
    silent(&late(&shop("LoadBalancer", "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n")));
    silent(&late(&shop("NodePort", "")));
    let other = "---\nkind: Service\napiVersion: v1\nmetadata: {name: edge, namespace: bank}\nspec: {type: LoadBalancer, ports: [{port: 1}]}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n";
    assert_eq!(look(&(waits + other)).len(), 1);
}
