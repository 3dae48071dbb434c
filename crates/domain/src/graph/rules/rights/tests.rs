//! Bindings that grant nothing to who runs, and all those that are as they should be.

use super::bindings;
use crate::graph::Standing;
use crate::graph::fixture::{graph, running};
use crate::graph::rules::trial::{is, on, one, says, silent};

const SPEC: &str = "serviceAccountName: sync\ncontainers: [{name: web, image: web}]";

fn account(name: &str) -> String {
    format!("---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n")
}

fn role(kind: &str, name: &str) -> String {
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nrules: [{{apiGroups: [''], resources: [configmaps], verbs: [get, list]}}]\n"
    )
}

fn bound(kind: &str, name: &str, role: &str, subject: &str) -> String {
    let of = if role.starts_with("cluster-") { "ClusterRole" } else { "Role" };
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {of}, name: {role}}}\nsubjects: [{subject}]\n"
    )
}

const SYNC: &str = "{kind: ServiceAccount, name: sync, namespace: shop}";

#[test]
fn a_binding_to_a_role_that_does_not_exist() {
    let web = running("web", SPEC) + &account("sync");
    let dangling = web.clone() + &bound("RoleBinding", "sync", "sync-reader", SYNC);
    let finding = one(bindings, &dangling);
    is(&finding, "RoleBinding/sync", "roleRef.name", "sync-reader", Standing::Outage);
    says(&finding, &["refers to Role sync-reader, which does not exist", "ServiceAccount sync of Deployment web"]);
    assert!(finding.words.contains(&"system:serviceaccount:shop:sync".to_owned()), "{:?}", finding.words);
    let near = dangling.clone() + &role("Role", "sync-readers");
    says(&one(bindings, &near), &["did you mean sync-readers?"]);
    let whole = web.clone() + &bound("ClusterRoleBinding", "sync", "cluster-reader", SYNC);
    let finding = one(bindings, &whole);
    is(&finding, "ClusterRoleBinding/sync", "roleRef.name", "cluster-reader", Standing::Outage);
    assert_eq!(finding.about.name, "web");
    // The kind is wrong, not the name.
    let kind = dangling.clone() + &role("ClusterRole", "sync-reader");
    let finding = one(bindings, &kind);
    is(&finding, "RoleBinding/sync", "roleRef.kind", "Role", Standing::Outage);
    // Whose pods are in trouble already says it itself.
    let mut g = graph(&dangling);
    g.workloads[0].troubled = true;
    assert_eq!(on(bindings, &g)[0].standing, Standing::Suspect);
    g.unreadable.insert("Role".into());
    assert!(on(bindings, &g).is_empty());
}

#[test]
fn bindings_that_are_as_they_should_be() {
    let web = running("web", SPEC) + &account("sync");
    let own = bound("RoleBinding", "sync", "reader", SYNC);
    silent(bindings, &(web.clone() + &own + &role("Role", "reader")));
    silent(
        bindings,
        &(web.clone() + &bound("RoleBinding", "sync", "cluster-reader", SYNC) + &role("ClusterRole", "cluster-reader")),
    );
    // Nobody runs with it, or what ran with it rests.
    silent(bindings, &(running("web", "containers: [{name: web, image: web}]") + &account("sync") + &own));
    silent(bindings, &(web.replace("replicas: 1", "replicas: 0") + &own));
    // People, groups, and accounts of other namespaces.
    for subject in [
        "{kind: User, name: ann, apiGroup: rbac.authorization.k8s.io}",
        "{kind: Group, name: 'system:serviceaccounts:shop', apiGroup: rbac.authorization.k8s.io}",
        "{kind: ServiceAccount, name: sync, namespace: other}",
    ] {
        silent(bindings, &(web.clone() + &bound("RoleBinding", "sync", "reader", subject)));
    }
    silent(bindings, &web);
}

#[test]
fn a_binding_to_an_account_that_does_not_exist() {
    let web = running("web", SPEC) + &account("sync") + &role("Role", "reader");
    let misspelt = "{kind: ServiceAccount, name: synk, namespace: shop}";
    let finding = one(bindings, &(web.clone() + &bound("RoleBinding", "sync", "reader", misspelt)));
    is(&finding, "RoleBinding/sync", "subjects[0].name", "synk", Standing::Outage);
    says(&finding, &["ServiceAccount synk, which does not exist", "did you mean sync?"]);
    let space = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    let moved = "{kind: ServiceAccount, name: sync, namespace: shopp}";
    let finding = one(bindings, &(web.clone() + space + &bound("RoleBinding", "sync", "reader", moved)));
    is(&finding, "RoleBinding/sync", "subjects[0].namespace", "shopp", Standing::Outage);
    says(&finding, &["in namespace shopp, whose namespace does not exist", "did you mean namespace shop?"]);
    // The account has its rights by another binding; the names are nothing alike; the account is to come.
    let both = bound("RoleBinding", "old", "reader", misspelt) + &bound("RoleBinding", "sync", "reader", SYNC);
    silent(bindings, &(web.clone() + &both));
    let other = "{kind: ServiceAccount, name: deployer, namespace: shop}";
    silent(bindings, &(web.clone() + &bound("RoleBinding", "ci", "reader", other)));
    let there = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shopp}\n";
    silent(bindings, &(web + space + there + &bound("RoleBinding", "sync", "reader", moved)));
}

/// The healthy states of all cases of the scenario suite are twins of every fault.
#[test]
fn no_case_begins_with_a_finding_of_these_rules() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut read = 0;
    for case in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let Ok(text) = std::fs::read_to_string(case.path().join("setup.yaml")) else { continue };
        let healthy = graph(&text.replace("${NS}", "shop"));
        let mut found = Vec::new();
        for rule in [
            bindings,
            crate::graph::rules::admission::surge,
            crate::graph::rules::admission::webhooks,
            crate::graph::rules::admission::given,
            crate::graph::rules::reference::pull_secrets,
            crate::graph::rules::schedule::lingering,
        ] {
            rule(&healthy, crate::graph::rules::trial::now(), &mut found);
        }
        found.retain(|finding| finding.standing > Standing::Suspect);
        // Without pods a webhook of the namespace has nobody behind it.
        found.retain(|finding| finding.cause.class != api::shared::CauseClass::WebhookUnavailable);
        assert!(
            found.is_empty(),
            "{:?}: {:?}",
            case.file_name(),
            found.iter().map(|f| &f.cause.statement).collect::<Vec<_>>()
        );
        read += 1;
    }
    assert!(read > 100, "{read} cases");
}
