use super::*;

fn context(second: i64) -> RequestContext {
    RequestContext { superseded: None, plan_started: false, window: WindowState::Open, now: at(second) }
}

fn annotate(mut request: ApprovalRequest, key: &str, value: &str) -> ApprovalRequest {
    request.metadata.annotations.get_or_insert_default().insert(key.into(), value.into());
    request
}

fn people(approvers: i32) -> ApprovalRequest {
    let mut request = request("h", ApprovalMode::Quorum);
    request.spec.required_approvers = approvers;
    request
}

/// The request after these votes, each read by itself.
fn vote(mut request: ApprovalRequest, votes: &[(&str, &str)], second: i64) -> ApprovalRequest {
    for (key, value) in votes {
        let asked = annotate(request.clone(), key, value);
        request.status = Some(decide_request(&asked, &context(second)).status);
    }
    request
}

fn state(request: &ApprovalRequest) -> Option<ApprovalRequestState> {
    request.status.as_ref().and_then(|s| s.state)
}

#[test]
fn who_and_why() {
    let ok = |text: &str| parse_vote(text).map(|v| (v.who, v.why)).unwrap();
    let pair = |who: &str, why: Option<&str>| (who.to_owned(), why.map(str::to_owned));
    assert_eq!(ok("alice:looks good"), pair("alice", Some("looks good")));
    assert_eq!(ok("  alice  "), pair("alice", None));
    assert_eq!(ok("alice:"), pair("alice", None));
    assert_eq!(ok("alice:see ticket: OPS-1"), pair("alice", Some("see ticket: OPS-1")));
    assert_eq!(ok("oidc:alice: looks good"), pair("oidc:alice", Some("looks good")));
    assert_eq!(ok("system:serviceaccount:shop:bot:why: not"), pair("system:serviceaccount:shop:bot", Some("why: not")));
    assert_eq!(ok("system:admin:ok"), pair("system:admin", Some("ok")));
    assert_eq!(ok("alice@example.com:ok"), pair("alice@example.com", Some("ok")));
    assert_eq!(ok(&format!("alice:{}", "y".repeat(5000))).1.unwrap().len(), 1024);
    for (text, error) in [
        ("", VoteError::Nobody),
        (":yes", VoteError::Nobody),
        ("yes please:go", VoteError::NotAnIdentity),
        ("ali\u{0}ce:go", VoteError::NotAnIdentity),
        ("alice\u{200b}:go", VoteError::NotAnIdentity),
        ("\u{202e}ecila:go", VoteError::NotAnIdentity),
        ("policy:shop/p/r", VoteError::Reserved),
        ("Policy:shop/p/r", VoteError::Reserved),
    ] {
        assert_eq!(parse_vote(text), Err(error), "{text:?}");
    }
    assert_eq!(parse_vote(&"a".repeat(254)), Err(VoteError::TooLong));
}

#[test]
fn a_quorum_counts_distinct_people() {
    let yes = keys::APPROVE;
    let r = vote(people(2), &[(yes, "alice:ok"), (yes, "Alice:again"), (yes, " ALICE : once more")], 10);
    assert_eq!((state(&r), approvers(&r).len()), (Some(ApprovalRequestState::Pending), 1));
    let r = vote(r, &[(yes, "bob:ok")], 20);
    assert_eq!(state(&r), Some(ApprovalRequestState::Approved));
    assert_eq!(approvers(&r), ["alice", "bob"]);
    assert_eq!(r.status.as_ref().unwrap().approved_at.as_ref().unwrap().0, at(20));
    // One who approved and then rejected is no approver; and a rejection decides.
    let r = vote(people(2), &[(yes, "alice:ok"), (keys::REJECT, "alice:no, wait")], 10);
    assert_eq!((state(&r), approvers(&r).len()), (Some(ApprovalRequestState::Rejected), 0));
    // What a policy decided is no person.
    let by_policy =
        decided(people(1), ApprovalRequestState::Approved, &[("policy:shop/p/r", "approved"), ("", "approved")]);
    assert_eq!(approvers(&by_policy).len(), 0);
}

#[test]
fn a_vote_is_consumed_once_and_read_again_it_changes_nothing() {
    let asked = annotate(people(2), keys::APPROVE, "alice:ok");
    let first = decide_request(&asked, &context(10));
    assert_eq!(first.consumed, [Consumed { key: keys::APPROVE, value: "alice:ok".into() }]);
    // The process ended before the annotation was taken away.
    let mut again = asked;
    again.status = Some(first.status.clone());
    let second = decide_request(&again, &context(11));
    assert_eq!((second.status.decisions.len(), second.notes.len()), (1, 0));
    assert_eq!(second.consumed, first.consumed);
    let broken = decide_request(&annotate(people(1), keys::APPROVE, "yes please do it"), &context(10));
    assert_eq!((broken.status.state, broken.notes[0].reason), (Some(ApprovalRequestState::Pending), "VoteRefused"));
    assert_eq!(broken.consumed.len(), 1, "it does not stay to be refused for ever");
}

#[test]
fn both_annotations_at_once_are_a_no() {
    let asked = annotate(annotate(people(1), keys::APPROVE, "alice:ok"), keys::REJECT, "bob:no");
    let d = decide_request(&asked, &context(10));
    assert_eq!((d.status.state, d.approved), (Some(ApprovalRequestState::Rejected), Some(false)));
}

#[test]
fn expiry_is_anchored_in_the_creation_and_a_late_yes_is_none() {
    let d = decide_request(&people(1), &context(1799));
    assert_eq!((d.status.state, d.next_check), (Some(ApprovalRequestState::Pending), Some(at(1800))));
    let d = decide_request(&people(1), &context(1800));
    assert_eq!((d.status.state, d.approved), (Some(ApprovalRequestState::Expired), Some(false)));
    // The operator was away at the expiry, and a yes is there when it comes back.
    let d = decide_request(&annotate(people(1), keys::APPROVE, "alice:ok"), &context(1801));
    assert_eq!(d.status.state, Some(ApprovalRequestState::Expired));
    assert!(d.notes.iter().any(|n| n.reason == "VoteTooLate") && d.status.decisions.is_empty());
    assert_eq!(d.consumed.len(), 1);
    // A no always counts.
    let d = decide_request(&annotate(people(1), keys::REJECT, "alice:no"), &context(1801));
    assert_eq!(d.status.state, Some(ApprovalRequestState::Rejected));
    // One yes of two does not stop the clock.
    let half = vote(people(2), &[(keys::APPROVE, "alice:ok")], 10);
    assert_eq!(decide_request(&half, &context(1800)).status.state, Some(ApprovalRequestState::Expired));
    // A nonsense timeout is one minute, not for ever.
    let mut odd = people(1);
    odd.spec.timeout_minutes = -5;
    assert_eq!(decide_request(&odd, &context(60)).status.state, Some(ApprovalRequestState::Expired));
}

#[test]
fn enough_votes_wait_for_the_window_without_expiring() {
    let closed = |second| RequestContext { window: WindowState::Closed { opens: at(9000) }, ..context(second) };
    let asked = annotate(people(1), keys::APPROVE, "alice:ok");
    let d = decide_request(&asked, &closed(10));
    assert_eq!(
        (d.status.state, d.reason, d.next_check),
        (Some(ApprovalRequestState::Pending), "OutsideChangeWindow", Some(at(9000)))
    );
    let mut waiting = people(1);
    waiting.status = Some(d.status);
    assert_eq!(decide_request(&waiting, &closed(5000)).status.state, Some(ApprovalRequestState::Pending));
    assert_eq!(decide_request(&waiting, &context(9000)).status.state, Some(ApprovalRequestState::Approved));
    let broken = RequestContext { window: WindowState::Invalid { reason: "no such zone".into() }, ..context(10) };
    let d = decide_request(&waiting, &broken);
    assert_eq!(
        (d.status.state, d.reason, d.next_check),
        (Some(ApprovalRequestState::Pending), "InvalidChangeWindow", None)
    );
}

#[test]
fn an_approval_can_be_taken_back_until_the_plan_acts() {
    let approved = vote(people(1), &[(keys::APPROVE, "alice:ok")], 10);
    let asked = annotate(approved, keys::REJECT, "bob:stop");
    let d = decide_request(&asked, &context(20));
    assert_eq!(d.status.state, Some(ApprovalRequestState::Rejected));
    assert_eq!(d.status.approved_at, None);
    let started = RequestContext { plan_started: true, ..context(20) };
    let d = decide_request(&asked, &started);
    assert_eq!(d.status.state, Some(ApprovalRequestState::Approved));
    assert_eq!(d.notes[0].reason, "VoteTooLate");
    // A no cannot be turned into a yes.
    let rejected = vote(people(1), &[(keys::REJECT, "bob:no")], 10);
    let d = decide_request(&annotate(rejected, keys::APPROVE, "alice:ok"), &context(20));
    assert_eq!((d.status.state, d.notes[0].reason), (Some(ApprovalRequestState::Rejected), "VoteTooLate"));
}

#[test]
fn what_is_superseded_expires_even_with_enough_votes() {
    let over = RequestContext { superseded: Some("plan x is over".into()), ..context(20) };
    let d = decide_request(&annotate(people(1), keys::APPROVE, "alice:ok"), &over);
    assert_eq!((d.status.state, d.message.as_str()), (Some(ApprovalRequestState::Expired), "plan x is over"));
}

#[test]
fn counters() {
    let of = |state, auto| {
        counter_of(&ApprovalRequestStatus { state, auto_approved: auto, ..ApprovalRequestStatus::default() })
    };
    assert_eq!(of(None, false), None);
    assert_eq!(of(Some(ApprovalRequestState::Pending), false), None);
    assert_eq!(of(Some(ApprovalRequestState::Approved), false), Some(Counter::Approved));
    assert_eq!(of(Some(ApprovalRequestState::Approved), true), Some(Counter::AutoApproved));
    assert_eq!(of(Some(ApprovalRequestState::Rejected), false), Some(Counter::Rejected));
    assert_eq!(of(Some(ApprovalRequestState::Expired), false), Some(Counter::Expired));
}

proptest::proptest! {
    /// No order of votes by fewer distinct people than are needed ever approves, and a no is never undone.
    #[test]
    fn too_few_people_never_approve(votes in proptest::collection::vec((0..3_usize, 0..10_usize, 0..2000_i64), 0..30), needed in 2..5_i32) {
        let mut r = people(needed);
        let mut rejected = false;
        for (who, kind, second) in votes {
            let name = ["alice", "ALICE", "bob"][who];
            let key = if kind == 0 { keys::REJECT } else { keys::APPROVE };
            let before = state(&r);
            let d = decide_request(&annotate(r.clone(), key, &format!("{name}:x")), &context(second));
            r.status = Some(d.status);
            rejected |= state(&r) == Some(ApprovalRequestState::Rejected);
            if rejected {
                proptest::prop_assert_eq!(state(&r), Some(ApprovalRequestState::Rejected));
            }
            if before == Some(ApprovalRequestState::Expired) {
                proptest::prop_assert_eq!(state(&r), before);
            }
            if needed > 2 {
                proptest::prop_assert_ne!(state(&r), Some(ApprovalRequestState::Approved));
            } else if state(&r) == Some(ApprovalRequestState::Approved) {
                proptest::prop_assert_eq!(approvers(&r).len(), 2);
            }
        }
    }
}
