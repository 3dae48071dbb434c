//! Names of the cluster that are written wrongly.

use super::*;

fn other(name: &str, namespace: &str) -> String {
    format!(
        "---\nkind: Service\napiVersion: v1\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{ports: [{{port: 80}}]}}\n"
    )
}

fn shop(host: &str) -> String {
    server("cart", 8080)
        + &service("cart", "cart", 80, "http")
        + &other("ledger", "bank")
        + &client("web", "CART_URL", &format!("http://{host}/x"))
        + "---\nkind: Namespace\napiVersion: v1\nmetadata: {name: shop}\n"
}

#[test]
fn a_name_without_its_namespace() {
    let found = outage(&shop("cart.svc.cluster.local"));
    assert_eq!(at(&found).2, "spec.template.spec.containers[0].env[0].value");
    says(&found, &["cannot be resolved", "did you mean cart.shop.svc.cluster.local?"]);
    says(&outage(&shop("ledger.svc")), &["did you mean ledger.bank.svc?"]);
    for good in
        ["cart", "cart.shop", "cart.shop.svc", "cart.shop.svc.cluster.local", "ledger.bank", "a.svc.example.org"]
    {
        silent(&shop(good));
    }
}

#[test]
fn a_namespace_that_is_another() {
    says(
        &outage(&shop("shop.cart.svc.cluster.local")),
        &["namespace cart, which does not exist", "did you mean cart.shop?"],
    );
    says(&outage(&shop("ledger.vault.svc")), &["namespace vault, which does not exist", "did you mean bank?"]);
    says(&outage(&shop("ledger.bnak")), &["namespace bnak, which does not exist", "did you mean bank?"]);
    says(&outage(&shop("ledger.shop.svc")), &["Service ledger, which does not exist", "did you mean ledger.bank?"]);
    says(
        &outage(&shop("cart.bank.svc")),
        &["Service cart of namespace bank, which does not exist", "did you mean cart.shop?"],
    );
    // These may be hosts of the world.
    silent(&shop("orders.bnak"));
    silent(&shop("ledger.dev"));
}
