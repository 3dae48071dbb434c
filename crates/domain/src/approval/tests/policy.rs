use super::*;

#[test]
fn without_a_policy_a_person_decides() {
    let r = ask("shop", &restart(), &policies(vec![]));
    assert_eq!((r.mode, r.required_approvers, r.timeout_minutes), (ApprovalMode::Manual, 1, 30));
    assert!(r.governing.is_empty() && r.reason.contains("no ApprovalPolicy governs"), "{}", r.reason);
    assert_eq!(ask("shop", &[], &policies(vec![policy("shop", "p", vec![auto_rule()])])).mode, ApprovalMode::Manual);
    let mut off = policy("shop", "p", vec![auto_rule()]);
    off.spec.enabled = false;
    assert_eq!(ask("shop", &restart(), &policies(vec![off])).governing, []);
}

#[test]
fn each_criterion_of_a_rule_has_to_hold() {
    let all = ApprovalPolicyRuleMatch {
        action_types: vec![ActionType::RestartDeployment],
        namespaces: vec!["shop".into()],
        resource_kinds: vec!["deployment".into()],
        severities: vec![Severity::High, Severity::Low],
    };
    let governed = |m: ApprovalPolicyRuleMatch| {
        let p = policy(OPERATOR, "p", vec![ApprovalPolicyRule { match_: m, ..rule("r", ApprovalMode::Quorum) }]);
        !ask("shop", &restart(), &policies(vec![p])).governing.is_empty()
    };
    assert!(governed(all.clone()));
    assert!(!governed(ApprovalPolicyRuleMatch { action_types: vec![ActionType::DeletePod], ..all.clone() }));
    assert!(!governed(ApprovalPolicyRuleMatch { namespaces: vec!["shop-2".into()], ..all.clone() }));
    assert!(!governed(ApprovalPolicyRuleMatch { resource_kinds: vec!["StatefulSet".into()], ..all.clone() }));
    assert!(!governed(ApprovalPolicyRuleMatch { severities: vec![Severity::Critical], ..all }));
}

#[test]
fn the_first_rule_of_the_first_policy_by_name_counts() {
    let p = vec![
        policy("shop", "b", vec![rule("of-b", ApprovalMode::Quorum)]),
        policy("shop", "a", vec![rule("first", ApprovalMode::Manual), rule("second", ApprovalMode::Quorum)]),
    ];
    let r = ask("shop", &restart(), &policies(p));
    assert_eq!(r.governing.iter().map(Governing::path).collect::<Vec<_>>(), ["shop/a/first"]);
    assert_eq!(r.mode, ApprovalMode::Manual);
}

#[test]
fn a_policy_governs_its_namespace_and_one_of_the_operator_every_namespace() {
    let elsewhere = policies(vec![policy("other", "p", vec![auto_rule()])]);
    assert_eq!(ask("shop", &restart(), &elsewhere).governing, []);
    let mut claims = auto_rule();
    claims.match_.namespaces = vec!["shop".into()];
    assert_eq!(ask("shop", &restart(), &policies(vec![policy("other", "p", vec![claims])])).governing, []);
    let central = policies(vec![policy(OPERATOR, "p", vec![rule("r", ApprovalMode::Quorum)])]);
    for namespace in ["shop", "other", OPERATOR] {
        assert_eq!(ask(namespace, &restart(), &central).mode, ApprovalMode::Quorum);
    }
    // Both have a say: the stricter one, in either place.
    let (soft, hard) = (auto_rule(), rule("r", ApprovalMode::Manual));
    for (here, there) in [(&soft, &hard), (&hard, &soft)] {
        let both = policies(vec![policy("shop", "p", vec![here.clone()]), policy(OPERATOR, "q", vec![there.clone()])]);
        assert_eq!(ask("shop", &restart(), &both).mode, ApprovalMode::Manual);
    }
}

#[test]
fn the_strictest_action_decides_for_the_whole_plan_and_all_windows_count() {
    let for_type = |name: &str, type_, mode, window| ApprovalPolicyRule {
        match_: ApprovalPolicyRuleMatch { action_types: vec![type_], ..rule("", mode).match_ },
        change_window: Some(window),
        timeout_minutes: Some(if mode == ApprovalMode::Auto { 5 } else { 60 }),
        ..rule(name, mode)
    };
    let p = policy(
        "shop",
        "p",
        vec![
            for_type("easy", ActionType::RestartDeployment, ApprovalMode::Auto, weekdays(1, 2, "UTC")),
            for_type("hard", ActionType::RollbackDeployment, ApprovalMode::Quorum, weekdays(3, 4, "UTC")),
        ],
    );
    let both = [action(ActionType::RestartDeployment, &[]), action(ActionType::RollbackDeployment, &[])];
    let r = ask("shop", &both, &policies(vec![p.clone()]));
    assert_eq!((r.mode, r.required_approvers, r.timeout_minutes, r.windows.len()), (ApprovalMode::Quorum, 2, 5, 2));
    assert_eq!(r.governing[0].rule.as_deref(), Some("hard"));
    // One action that no rule knows makes the plan manual.
    let unknown = [action(ActionType::RestartDeployment, &[]), action(ActionType::DeletePod, &[])];
    assert_eq!(ask("shop", &unknown, &policies(vec![p])).mode, ApprovalMode::Manual);
}

#[test]
fn default_modes() {
    let mut nothing = rule("r", ApprovalMode::Auto);
    nothing.match_.namespaces = vec!["nowhere".into()];
    let with = |mode: &str| {
        ask("shop", &restart(), &policies(vec![with_default(policy("shop", "p", vec![nothing.clone()]), mode)]))
    };
    assert_eq!((with("quorum").mode, with("quorum").required_approvers), (ApprovalMode::Quorum, 2));
    assert_eq!(with("manual").mode, ApprovalMode::Manual);
    assert_eq!(with("whatever").mode, ApprovalMode::Manual);
    // `auto` without conditions has none that could hold.
    let auto = with("auto");
    assert_eq!(auto.mode, ApprovalMode::Auto);
    assert_eq!(settle(auto, &good_facts()).requirement.mode, ApprovalMode::Manual);
    let two = policies(vec![
        with_default(policy("shop", "p", vec![]), "manual"),
        with_default(policy(OPERATOR, "p", vec![]), "quorum"),
    ]);
    assert_eq!(ask("shop", &restart(), &two).mode, ApprovalMode::Quorum);
}

#[test]
fn a_quorum_is_two_at_least_and_numbers_that_make_no_sense_are_none() {
    let of = |mode, approvers, minutes| {
        let r = ApprovalPolicyRule { required_approvers: approvers, timeout_minutes: minutes, ..rule("r", mode) };
        let r = ask("shop", &restart(), &policies(vec![policy("shop", "p", vec![r])]));
        (r.required_approvers, r.timeout_minutes)
    };
    assert_eq!(of(ApprovalMode::Quorum, None, None), (2, 30));
    assert_eq!(of(ApprovalMode::Quorum, Some(1), Some(0)), (2, 30));
    assert_eq!(of(ApprovalMode::Quorum, Some(3), Some(7)), (3, 7));
    assert_eq!(of(ApprovalMode::Manual, Some(-4), Some(-1)), (1, 30));
}

#[test]
fn nothing_is_automatic_beside_a_policy_that_cannot_be_read() {
    let mut p = policies(vec![policy("shop", "p", vec![auto_rule()])]);
    assert_eq!(ask("shop", &restart(), &p).mode, ApprovalMode::Auto);
    for (namespace, expected) in
        [("shop", ApprovalMode::Manual), (OPERATOR, ApprovalMode::Manual), ("other", ApprovalMode::Auto)]
    {
        p.unreadable = vec![UnreadablePolicy { namespace: namespace.into(), name: "broken".into(), why: "no".into() }];
        let r = ask("shop", &restart(), &p);
        assert_eq!(r.mode, expected, "{namespace}");
        assert_eq!(r.reason.contains("broken"), expected == ApprovalMode::Manual);
    }
}

#[test]
fn auto_holds_when_all_three_conditions_hold() {
    let requirement = || ask("shop", &restart(), &policies(vec![policy("shop", "p", vec![auto_rule()])]));
    let settled = settle(requirement(), &good_facts());
    assert_eq!((settled.requirement.mode, settled.evidence.len()), (ApprovalMode::Auto, 3));
    let exact =
        AutoFacts { confidence: Some(0.9), history: Some(History { succeeded: 1, finished: 2 }), ..good_facts() };
    assert_eq!(settle(requirement(), &exact).requirement.mode, ApprovalMode::Auto);
    // Less severe than the ceiling is fine, more is not.
    assert_eq!(
        settle(requirement(), &AutoFacts { severity: Severity::Low, ..good_facts() }).requirement.mode,
        ApprovalMode::Auto
    );
    let no = |facts: AutoFacts, word: &str| {
        let settled = settle(requirement(), &facts);
        assert_eq!(settled.requirement.mode, ApprovalMode::Manual, "{word}");
        assert!(settled.requirement.reason.contains(word), "{}", settled.requirement.reason);
        assert_eq!(settled.evidence.len(), 3, "all three are recorded");
    };
    no(AutoFacts { confidence: Some(0.899), ..good_facts() }, "confidence 0.90");
    no(AutoFacts { confidence: None, ..good_facts() }, "no confidence");
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        no(AutoFacts { confidence: Some(odd), ..good_facts() }, "no confidence");
    }
    no(AutoFacts { severity: Severity::Critical, ..good_facts() }, "severity Critical");
    no(AutoFacts { history: Some(History { succeeded: 1, finished: 3 }), ..good_facts() }, "1 of 3");
    no(AutoFacts { history: None, ..good_facts() }, "no earlier plan");
    // A rule without conditions, and one that asks for no history.
    let bare = ask("shop", &restart(), &policies(vec![policy("shop", "p", vec![rule("r", ApprovalMode::Auto)])]));
    assert_eq!(settle(bare, &good_facts()).requirement.mode, ApprovalMode::Manual);
    let free =
        ApprovalPolicyRule { auto_approve_conditions: Some(conditions(0.9, Severity::High, 0.0)), ..auto_rule() };
    let free = ask("shop", &restart(), &policies(vec![policy("shop", "p", vec![free])]));
    assert_eq!(settle(free, &AutoFacts { history: None, ..good_facts() }).requirement.mode, ApprovalMode::Auto);
    let nan =
        ApprovalPolicyRule { auto_approve_conditions: Some(conditions(f64::NAN, Severity::High, 0.0)), ..auto_rule() };
    let nan = ask("shop", &restart(), &policies(vec![policy("shop", "p", vec![nan])]));
    assert_eq!(settle(nan, &good_facts()).requirement.mode, ApprovalMode::Manual);
}

#[test]
fn the_hash_binds_actions_target_and_policy() {
    let governing =
        vec![Governing { namespace: "shop".into(), name: "p".into(), generation: 1, rule: Some("r".into()) }];
    let actions = vec![action(ActionType::ScaleDeployment, &[("replicas", "3")])];
    let hash = actions_hash(&actions, "uid", &governing);
    assert_eq!(hash.len(), 64);
    assert_eq!(hash, actions_hash(&actions.clone(), "uid", &governing.clone()));
    let other = |a: &[RemediationAction], uid: &str, g: &[Governing]| assert_ne!(hash, actions_hash(a, uid, g));
    other(&[action(ActionType::ScaleDeployment, &[("replicas", "4")])], "uid", &governing);
    other(&[action(ActionType::ScaleDeployment, &[("replicas", "3"), ("containment", "true")])], "uid", &governing);
    other(&[actions[0].clone(), actions[0].clone()], "uid", &governing);
    other(&[], "uid", &governing);
    other(&actions, "uid-2", &governing);
    for changed in [
        Governing { generation: 2, ..governing[0].clone() },
        Governing { name: "q".into(), ..governing[0].clone() },
        Governing { namespace: OPERATOR.into(), ..governing[0].clone() },
        Governing { rule: None, ..governing[0].clone() },
    ] {
        other(&actions, "uid", &[changed]);
    }
    other(&actions, "uid", &[]);
    // The order of policies says nothing; that of actions does.
    let two = vec![governing[0].clone(), Governing { name: "z".into(), ..governing[0].clone() }];
    let turned: Vec<_> = two.iter().rev().cloned().collect();
    assert_eq!(actions_hash(&actions, "uid", &two), actions_hash(&actions, "uid", &turned));
    let pair = [actions[0].clone(), restart().remove(0)];
    let swapped = [pair[1].clone(), pair[0].clone()];
    assert_ne!(actions_hash(&pair, "uid", &two), actions_hash(&swapped, "uid", &two));
}

#[test]
fn names_of_requests_are_short_and_distinct() {
    assert_eq!(request_name("plan"), "approval-plan");
    assert_eq!(next_request_name("plan", "approval-plan"), "approval-plan-r2");
    assert_eq!(next_request_name("plan", "approval-plan-r2"), "approval-plan-r3");
    // A plan whose own name looks like a round.
    assert_eq!(next_request_name("x-r5", "approval-x-r5"), "approval-x-r5-r2");
    let (a, b) = ("a".repeat(100), format!("{}b", "a".repeat(99)));
    for long in [&a, &b] {
        assert!(request_name(long).len() <= 63 && next_request_name(long, &request_name(long)).len() <= 63);
    }
    assert_ne!(request_name(&a), request_name(&b));
    assert_ne!(next_request_name(&a, &request_name(&a)), request_name(&a));
}
