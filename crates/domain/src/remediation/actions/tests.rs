use api::shared::{ActionType, RemediationAction};

use super::*;

fn action(type_: ActionType, params: &[(&str, &str)]) -> RemediationAction {
    RemediationAction { type_, params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() }
}

fn read(type_: ActionType, params: &[(&str, &str)]) -> Result<Action, ParamError> {
    parse(&action(type_, params))
}

/// Asserts that each is refused, and that the message names the parameter.
fn refused(type_: ActionType, cases: &[(&[(&str, &str)], &str)]) {
    for (params, word) in cases {
        let error = read(type_, params).expect_err(&format!("{type_:?} {params:?}"));
        let text = error.to_string();
        assert!(text.contains(word), "{params:?}: {text}");
        assert!(text.len() < 500, "{text}");
    }
}

#[test]
fn rollback_takes_a_revision() {
    use ActionType::RollbackDeployment as T;
    for (params, to) in [
        (&[][..], ToRevision::Previous),
        (&[("toRevision", "previous")], ToRevision::Previous),
        (&[("toRevision", "healthy")], ToRevision::Healthy),
        (&[("toRevision", " 7 ")], ToRevision::Number(7)),
    ] {
        assert_eq!(read(T, params), Ok(Action::RollbackDeployment { to }));
    }
    refused(
        T,
        &[
            (&[("toRevision", "0")], "toRevision"),
            (&[("toRevision", "-1")], "toRevision"),
            (&[("toRevision", "+1")], "toRevision"),
            (&[("toRevision", "1.5")], "toRevision"),
            (&[("toRevision", "")], "toRevision"),
            (&[("toRevision", "99999999999999999999999")], "toRevision"),
            (&[("toRevision", "latest")], "expected a revision number"),
            (&[("revision", "1")], "has no parameter \"revision\"; it takes toRevision"),
            (&[("toRevision", "1; kubectl delete ns shop")], "toRevision"),
        ],
    );
}

#[test]
fn scale_stays_between_its_bounds() {
    use ActionType::ScaleDeployment as T;
    let scale = |replicas, containment| Ok(Action::ScaleDeployment { replicas, containment });
    assert_eq!(read(T, &[("replicas", "1")]), scale(1, false));
    assert_eq!(read(T, &[("replicas", "100"), ("containment", "false")]), scale(100, false));
    assert_eq!(read(T, &[("replicas", "0"), ("containment", "true")]), scale(0, true));
    refused(
        T,
        &[
            (&[], "needs the parameter \"replicas\""),
            (&[("replicas", "0")], "containment"),
            (&[("replicas", "0"), ("containment", "false")], "containment"),
            (&[("replicas", "0"), ("containment", "yes")], "containment"),
            (&[("replicas", "101")], "0 to 100"),
            (&[("replicas", "-1")], "replicas"),
            (&[("replicas", "4294967297")], "replicas"),
            (&[("replicas", "1e2")], "replicas"),
            (&[("replicas", "３")], "replicas"),
            (&[("replicas", "3"), ("Replicas", "4")], "no parameter \"Replicas\""),
        ],
    );
}

#[test]
fn resources_are_quantities_that_make_sense() {
    use ActionType::AdjustResources as T;
    let Ok(Action::AdjustResources { container, values }) =
        read(T, &[("container", "web"), ("memory_limit", "256Mi"), ("memory_request", "0.25Gi"), ("cpu_limit", "1")])
    else {
        panic!("a legal action")
    };
    assert_eq!(container.as_deref(), Some("web"));
    assert_eq!(values.memory_limit.unwrap().millis(), values.memory_request.unwrap().millis());
    refused(
        T,
        &[
            (&[], "memory_limit"),
            (&[("container", "web")], "memory_limit"),
            (&[("memory_limit", "256")], "at least 4Mi"),
            (&[("memory_limit", "256MB")], "256MB"),
            (&[("memory_limit", "256 Mi")], "memory_limit"),
            (&[("memory_limit", "256m")], "memory_limit"),
            (&[("memory_limit", "-256Mi")], "memory_limit"),
            (&[("memory_limit", "0")], "memory_limit"),
            (&[("memory_limit", "")], "memory_limit"),
            (&[("memory_limit", "1e999")], "memory_limit"),
            (&[("memory_limit", "NaN")], "memory_limit"),
            (&[("memory_limit", "99999999999999999999Ei")], "memory_limit"),
            (&[("cpu_limit", "0")], "cpu_limit"),
            (&[("cpu_limit", "0.0001")], "cpu_limit"),
            (&[("cpu_request", "1cpu")], "cpu_request"),
            (&[("memory_limit", "64Mi"), ("memory_request", "65Mi")], "at most the limit, 64Mi"),
            (&[("cpu_limit", "500m"), ("cpu_request", "1")], "at most the limit"),
            (&[("container", "Web!"), ("memory_limit", "64Mi")], "container"),
            (&[("container", "../etc"), ("memory_limit", "64Mi")], "container"),
        ],
    );
}

#[test]
fn config_values_are_taken_as_they_are_and_names_are_names() {
    use ActionType::PatchConfig as T;
    let value = " a\n  b: ${X}; $(rm -rf /) ";
    let good = read(T, &[("configmap", "settings"), ("key", "app.yaml"), ("value", value)]);
    assert_eq!(
        good,
        Ok(Action::PatchConfig { config_map: "settings".into(), key: "app.yaml".into(), value: value.into() })
    );
    assert!(read(T, &[("configmap", "settings"), ("key", "k"), ("value", "")]).is_ok(), "an empty value is a value");
    let long = "x".repeat(MAX_CONFIG_VALUE + 1);
    refused(
        T,
        &[
            (&[("key", "k"), ("value", "v")], "configmap"),
            (&[("configmap", "settings"), ("value", "v")], "key"),
            (&[("configmap", "settings"), ("key", "k")], "value"),
            (&[("configmap", "other/settings"), ("key", "k"), ("value", "v")], "configmap"),
            (&[("configmap", "settings?x=1"), ("key", "k"), ("value", "v")], "configmap"),
            (&[("configmap", "settings"), ("key", "a/b"), ("value", "v")], "key"),
            (&[("configmap", "settings"), ("key", "a~1b"), ("value", "v")], "key"),
            (&[("configmap", "settings"), ("key", ""), ("value", "v")], "key"),
            (&[("configmap", "settings"), ("key", "k"), ("value", &long)], "128 KiB"),
            (&[("configmap", &"a".repeat(254)), ("key", "k"), ("value", "v")], "configmap"),
        ],
    );
}

#[test]
fn pods_restarts_and_what_this_version_does_not_do() {
    assert_eq!(read(ActionType::DeletePod, &[("pod", "web-1")]), Ok(Action::DeletePod { pod: "web-1".into() }));
    refused(
        ActionType::DeletePod,
        &[(&[], "pod"), (&[("pod", "")], "pod"), (&[("pod", "web-1/log")], "pod"), (&[("pod", "-x")], "pod")],
    );
    assert_eq!(read(ActionType::RestartDeployment, &[]), Ok(Action::RestartDeployment));
    refused(ActionType::RestartDeployment, &[(&[("force", "true")], "it takes none")]);
    let error = read(ActionType::DrainNode, &[("node", "a")]).unwrap_err().to_string();
    assert!(error.contains("not available in this version") && error.contains("RollbackDeployment"), "{error}");
    assert!(rights(ActionType::DrainNode).is_empty());
}

#[test]
fn the_registry_says_of_each_action_all_that_others_need() {
    for info in REGISTRY {
        assert!(!info.summary.is_empty() && !info.preflight.is_empty() && !info.verification.is_empty());
        assert!(AVAILABLE.contains(&format!("{:?}", info.type_)));
        let rights = rights(info.type_);
        assert!(rights.iter().any(|r| r.resource == "deployments" && r.verbs.contains(&"get")), "{:?}", info.type_);
        assert!(rights.iter().any(|r| r.verbs.contains(&"patch") || r.verbs.contains(&"delete")), "{:?}", info.type_);
        assert!(!rights.iter().any(|r| r.verbs.contains(&"*") || r.resource == "*"));
    }
    assert_eq!(info(ActionType::RestartDeployment).unwrap().reversal, Reversal::NothingToUndo);
}

proptest::proptest! {
    /// Whatever text stands in the parameters: no panic, and no replica count outside of the bounds.
    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,40}", number in "[0-9]{0,25}", suffix in "(Mi|m|Gi|e3|E)?") {
        for value in [text.clone(), number.clone(), format!("{number}{suffix}")] {
            if let Ok(Action::ScaleDeployment { replicas, .. }) = read(ActionType::ScaleDeployment, &[("replicas", &value)]) {
                proptest::prop_assert!((1..=MAX_REPLICAS).contains(&replicas));
            }
            if let Ok(Action::AdjustResources { values, .. }) = read(ActionType::AdjustResources, &[("memory_limit", &value)]) {
                proptest::prop_assert!(values.memory_limit.unwrap().millis() >= 4 * 1024 * 1024 * 1000);
            }
            drop(read(ActionType::RollbackDeployment, &[("toRevision", &value)]));
            drop(read(ActionType::PatchConfig, &[("configmap", &value), ("key", &value), ("value", &value)]));
            if let Some(quantity) = Quantity::parse(&value) {
                proptest::prop_assert!(quantity.millis() >= 0);
                proptest::prop_assert_eq!(Some(quantity.millis()), crate::diagnosis::amount::millis(&value));
            }
        }
    }
}
