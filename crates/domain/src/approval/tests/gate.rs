use super::*;

fn settled(rule: ApprovalPolicyRule) -> Settled {
    settle(ask("shop", &restart(), &policies(vec![policy("shop", "p", vec![rule])])), &good_facts())
}

fn answer(settled: &Settled, request: Option<&ApprovalRequest>) -> Gate {
    gate(&GateInput { settled, hash: "h", request, now: instant("2024-01-05T12:00:00Z") })
}

fn manual() -> Settled {
    settled(rule("r", ApprovalMode::Manual))
}

#[test]
fn without_a_request_people_are_asked_and_policy_decides_only_for_auto() {
    assert!(matches!(answer(&manual(), None), Gate::Ask { .. }));
    match answer(&settled(auto_rule()), None) {
        Gate::AutoApprove { approver, evidence } => {
            assert_eq!(approver, "policy:shop/p/auto");
            for word in ["confidence 0.95", "severity High", "3 of 4"] {
                assert!(evidence.contains(word), "{evidence}");
            }
        }
        other => panic!("{other:?}"),
    }
    let nobody = settle(ask("shop", &restart(), &policies(vec![])), &good_facts());
    assert!(matches!(answer(&nobody, None), Gate::Ask { .. }));
}

#[test]
fn an_approval_counts_for_exactly_what_was_shown() {
    let yes = decided(request("h", ApprovalMode::Manual), ApprovalRequestState::Approved, &[("alice", "approved")]);
    assert_eq!(answer(&manual(), Some(&yes)), Gate::Granted { by: "alice".into() });
    let mut other = yes.clone();
    other.spec.actions_hash = Some("something else".into());
    assert!(matches!(answer(&manual(), Some(&other)), Gate::Ask { .. }));
    other.spec.actions_hash = None;
    assert!(matches!(answer(&manual(), Some(&other)), Gate::Ask { .. }));
}

#[test]
fn a_state_without_the_votes_behind_it_is_worth_nothing() {
    for votes in [vec![], vec![("policy:shop/p/r", "approved")], vec![("alice", "approved"), ("alice", "rejected")]] {
        let request = decided(request("h", ApprovalMode::Manual), ApprovalRequestState::Approved, &votes);
        assert!(matches!(answer(&manual(), Some(&request)), Gate::Ask { .. }), "{votes:?}");
    }
    let quorum = settled(rule("r", ApprovalMode::Quorum));
    let one = decided(
        request("h", ApprovalMode::Quorum),
        ApprovalRequestState::Approved,
        &[("alice", "approved"), ("Alice", "approved")],
    );
    assert!(matches!(answer(&quorum, Some(&one)), Gate::Ask { .. }));
    // Nobody can write `autoApproved` and be taken for a policy.
    let mut forged = decided(request("h", ApprovalMode::Auto), ApprovalRequestState::Approved, &[]);
    forged.status.as_mut().unwrap().auto_approved = true;
    assert!(matches!(answer(&manual(), Some(&forged)), Gate::Ask { .. }));
    assert!(matches!(answer(&settled(auto_rule()), Some(&forged)), Gate::Ask { .. }));
}

#[test]
fn a_no_is_final_even_when_everything_changed() {
    let mut no = decided(request("h", ApprovalMode::Manual), ApprovalRequestState::Rejected, &[("bob", "rejected")]);
    let denied = Gate::Denied { reason: "Rejected", message: "bob rejected it: because".into() };
    assert_eq!(answer(&manual(), Some(&no)), denied);
    no.spec.actions_hash = Some("other".into());
    assert_eq!(answer(&manual(), Some(&no)), denied);
    assert_eq!(answer(&settled(auto_rule()), Some(&no)), denied);
    let late = decided(request("h", ApprovalMode::Manual), ApprovalRequestState::Expired, &[]);
    assert!(matches!(answer(&manual(), Some(&late)), Gate::Denied { reason: "Expired", .. }));
}

#[test]
fn the_window_is_looked_at_when_it_runs() {
    let inside = ApprovalPolicyRule { change_window: Some(weekdays(12, 13, "UTC")), ..rule("r", ApprovalMode::Manual) };
    let yes = decided(request("h", ApprovalMode::Manual), ApprovalRequestState::Approved, &[("alice", "approved")]);
    assert!(matches!(answer(&settled(inside), Some(&yes)), Gate::Granted { .. }));
    let outside = |start, end, zone: &str, mode| ApprovalPolicyRule {
        change_window: Some(weekdays(start, end, zone)),
        ..if mode == ApprovalMode::Auto { auto_rule() } else { rule("r", mode) }
    };
    match answer(&settled(outside(13, 14, "UTC", ApprovalMode::Manual)), Some(&yes)) {
        Gate::Wait { reason: "OutsideChangeWindow", until, .. } => {
            assert_eq!(until, Some(instant("2024-01-05T13:00:00Z")));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(answer(&settled(outside(13, 14, "UTC", ApprovalMode::Auto)), None), Gate::Wait { .. }));
    let broken = answer(&settled(outside(12, 13, "Nowhere/City", ApprovalMode::Manual)), Some(&yes));
    assert!(matches!(broken, Gate::Wait { reason: "InvalidChangeWindow", until: None, .. }), "{broken:?}");
}

#[test]
fn what_policy_decided_holds_only_while_policy_would_decide_it_again() {
    let mut by_policy = decided(
        request("h", ApprovalMode::Auto),
        ApprovalRequestState::Approved,
        &[("policy:shop/p/auto", "approved")],
    );
    by_policy.status.as_mut().unwrap().auto_approved = true;
    assert_eq!(answer(&settled(auto_rule()), Some(&by_policy)), Gate::Granted { by: "policy:shop/p/auto".into() });
    let worse = settle(
        ask("shop", &restart(), &policies(vec![policy("shop", "p", vec![auto_rule()])])),
        &AutoFacts { severity: Severity::Critical, ..good_facts() },
    );
    assert!(matches!(answer(&worse, Some(&by_policy)), Gate::Ask { .. }));
    // Its maker ended before it wrote the decision.
    let open = request("h", ApprovalMode::Auto);
    assert!(matches!(answer(&settled(auto_rule()), Some(&open)), Gate::AutoApprove { .. }));
    assert!(matches!(answer(&worse, Some(&open)), Gate::Ask { .. }));
    // People were asked: policy does not answer for them later.
    let asked = request("h", ApprovalMode::Manual);
    assert!(matches!(answer(&settled(auto_rule()), Some(&asked)), Gate::Wait { reason: "WaitingForDecision", .. }));
}

#[test]
fn how_far_an_action_reaches() {
    let radius = |actions: &[RemediationAction], pods, services: &[&str]| {
        blast_radius(&BlastInput {
            target: "Deployment web",
            namespace: "shop",
            pods,
            services: services.iter().map(|s| (*s).to_owned()).collect(),
            others: vec![],
            actions,
        })
    };
    let scale = |n: &str| vec![action(ActionType::ScaleDeployment, &[("replicas", n)])];
    assert_eq!(radius(&restart(), 2, &[]).risk_level, "low");
    assert_eq!(radius(&restart(), 2, &["web"]).risk_level, "medium");
    assert_eq!(radius(&restart(), 3, &[]).risk_level, "medium");
    assert_eq!(radius(&restart(), 6, &[]).risk_level, "high");
    assert_eq!(radius(&restart(), 11, &[]).risk_level, "critical");
    assert_eq!(
        (radius(&scale("0"), 1, &[]).risk_level.as_str(), radius(&scale("0"), 4, &[]).affected_pods),
        ("critical", 4)
    );
    assert_eq!(radius(&scale("9"), 4, &[]).affected_pods, 0);
    assert_eq!(radius(&[action(ActionType::DeletePod, &[("pod", "x")])], 9, &[]).affected_pods, 1);
    let told = radius(&restart(), 2, &["web", "api"]);
    assert_eq!(
        told.description,
        "RestartDeployment on Deployment web: 2 of 2 pods are replaced or removed; Services that send to them: web, api"
    );
}

proptest::proptest! {
    /// Whatever stands in a request: it is granted only when it covers exactly this, was approved by enough distinct
    /// people or by a policy that would still do so, nobody said no, and the window is open.
    #[test]
    fn nothing_is_granted_without_an_approval(
        state in 0..5_usize, hash in proptest::bool::ANY, forged in proptest::bool::ANY, auto_mode in proptest::bool::ANY,
        votes in proptest::collection::vec((0..5_usize, proptest::bool::weighted(0.8)), 0..6),
        mode in 0..3_usize, in_window in proptest::bool::ANY, there in proptest::bool::weighted(0.9),
    ) {
        use ApprovalRequestState as S;
        let names = ["alice", "ALICE", "bob", "policy:shop/p/r", ""];
        let modes = [ApprovalMode::Auto, ApprovalMode::Manual, ApprovalMode::Quorum];
        let base = if modes[mode] == ApprovalMode::Auto { auto_rule() } else { rule("r", modes[mode]) };
        let hours = if in_window { weekdays(12, 13, "UTC") } else { weekdays(13, 14, "UTC") };
        let settled = settled(ApprovalPolicyRule { change_window: Some(hours), ..base });
        let words: Vec<(&str, &str)> = votes.iter().map(|(who, yes)| (names[*who], if *yes { "approved" } else { "rejected" })).collect();
        let asked = request(if hash { "h" } else { "other" }, if auto_mode { ApprovalMode::Auto } else { ApprovalMode::Manual });
        let states = [S::Pending, S::Approved, S::Rejected, S::Expired, S::Approved];
        let mut made = decided(asked, states[state], &words);
        made.status.as_mut().unwrap().auto_approved = forged;
        let answer = answer(&settled, there.then_some(&made));
        let people = approvers(&made).len();
        let needed = if modes[mode] == ApprovalMode::Quorum { 2 } else { 1 };
        let by_policy = forged && mode == 0 && words.contains(&("policy:shop/p/r", "approved"));
        if let Gate::Granted { by } = &answer {
            proptest::prop_assert!(there && hash && in_window && states[state] == S::Approved);
            proptest::prop_assert!(by_policy || (!forged && people >= needed));
            proptest::prop_assert!(!by.is_empty());
        }
        if let Gate::AutoApprove { .. } = &answer {
            proptest::prop_assert!(mode == 0 && in_window && (!there || (hash && auto_mode && states[state] == S::Pending)));
        }
        if there && states[state] == S::Rejected {
            let denied = matches!(answer, Gate::Denied { .. });
            proptest::prop_assert!(denied);
        }
    }
}
