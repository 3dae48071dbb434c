use super::*;

fn closed_until(window: &ApprovalPolicyRuleChangeWindow, now: &str, opens: &str) {
    let expected = WindowState::Closed { opens: instant(opens) };
    assert_eq!(window_state(window, instant(now)), expected, "{now}");
}

fn open(window: &ApprovalPolicyRuleChangeWindow, now: &str) {
    assert_eq!(window_state(window, instant(now)), WindowState::Open, "{now}");
}

#[test]
fn hours_are_those_of_the_zone_and_the_end_is_excluded() {
    // 2024-01-05 is a Friday; São Paulo is three hours behind.
    let w = weekdays(9, 17, "America/Sao_Paulo");
    closed_until(&w, "2024-01-05T11:59:59Z", "2024-01-05T12:00:00Z");
    open(&w, "2024-01-05T12:00:00Z");
    open(&w, "2024-01-05T19:59:59Z");
    closed_until(&w, "2024-01-05T20:00:00Z", "2024-01-08T12:00:00Z");
    // Friday evening there is Saturday in UTC.
    let late = weekdays(20, 23, "America/Sao_Paulo");
    open(&late, "2024-01-06T01:00:00Z");
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_starts() {
    let w = ApprovalPolicyRuleChangeWindow { allowed_days: vec!["fri".into()], ..weekdays(22, 6, "UTC") };
    closed_until(&w, "2024-01-05T05:00:00Z", "2024-01-05T22:00:00Z");
    open(&w, "2024-01-05T22:00:00Z");
    open(&w, "2024-01-06T05:59:59Z");
    closed_until(&w, "2024-01-06T06:00:00Z", "2024-01-12T22:00:00Z");
    closed_until(&w, "2024-01-06T23:00:00Z", "2024-01-12T22:00:00Z");
}

#[test]
fn clock_changes_move_the_ends_with_the_wall_clock() {
    let every = |start, end| ApprovalPolicyRuleChangeWindow {
        allowed_days: vec!["Sunday".into()],
        ..weekdays(start, end, "Europe/Berlin")
    };
    // 2024-03-31: 02:00 becomes 03:00, so an hour from 2 to 3 opens after the jump, and has no length.
    closed_until(&every(2, 3), "2024-03-31T00:59:59Z", "2024-04-07T00:00:00Z");
    open(&every(1, 4), "2024-03-31T01:30:00Z");
    closed_until(&every(1, 4), "2024-03-31T02:00:00Z", "2024-04-06T23:00:00Z");
    // 2024-10-27: 02:00 exists twice; the window from 2 to 4 has three hours.
    open(&every(2, 4), "2024-10-27T00:00:00Z");
    open(&every(2, 4), "2024-10-27T02:59:59Z");
    closed_until(&every(2, 4), "2024-10-27T03:00:00Z", "2024-11-03T01:00:00Z");
}

#[test]
fn what_cannot_be_evaluated_is_never_open() {
    let good = weekdays(9, 17, "UTC");
    for (window, word) in [
        (ApprovalPolicyRuleChangeWindow { timezone: "Mars/Olympus".into(), ..good.clone() }, "Mars/Olympus"),
        (ApprovalPolicyRuleChangeWindow { timezone: String::new(), ..good.clone() }, "timezone"),
        (ApprovalPolicyRuleChangeWindow { start_hour: 24, ..good.clone() }, "startHour"),
        (ApprovalPolicyRuleChangeWindow { end_hour: -1, ..good.clone() }, "endHour"),
        (ApprovalPolicyRuleChangeWindow { end_hour: 9, ..good.clone() }, "different hours"),
        (ApprovalPolicyRuleChangeWindow { allowed_days: vec![], ..good.clone() }, "names no day"),
        (ApprovalPolicyRuleChangeWindow { allowed_days: vec!["Montag".into()], ..good.clone() }, "Montag"),
    ] {
        match window_state(&window, instant("2024-01-05T12:00:00Z")) {
            WindowState::Invalid { reason } => assert!(reason.contains(word), "{reason}"),
            other => panic!("{word}: {other:?}"),
        }
    }
}

#[test]
fn all_windows_have_to_be_open() {
    let (early, late) = (weekdays(8, 12, "UTC"), weekdays(11, 15, "UTC"));
    let both = [early.clone(), late];
    let at = |text: &str| windows_state(&both, instant(text));
    assert_eq!(at("2024-01-05T11:30:00Z"), WindowState::Open);
    assert_eq!(at("2024-01-05T07:00:00Z"), WindowState::Closed { opens: instant("2024-01-05T11:00:00Z") });
    assert_eq!(at("2024-01-05T12:00:00Z"), WindowState::Closed { opens: instant("2024-01-08T08:00:00Z") });
    assert_eq!(windows_state(&[], instant("2024-01-05T07:00:00Z")), WindowState::Open);
    let broken = [early, weekdays(1, 1, "UTC")];
    assert!(matches!(windows_state(&broken, instant("2024-01-05T09:00:00Z")), WindowState::Invalid { .. }));
}

proptest::proptest! {
    /// When a window says that it opens, it is open then, and closed in every hour before.
    #[test]
    fn the_next_opening_is_the_next_opening(start in 0..24_i32, end in 0..24_i32, day in 0..7_usize, hour in 0..20_000_i64, zone in 0..4_usize) {
        let names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let zones = ["UTC", "America/Sao_Paulo", "Europe/Berlin", "Asia/Kathmandu"];
        let window = ApprovalPolicyRuleChangeWindow { allowed_days: vec![names[day].into()], start_hour: start, end_hour: end, timezone: zones[zone].into() };
        let now = at(hour * 3600);
        match window_state(&window, now) {
            WindowState::Closed { opens } => {
                proptest::prop_assert!(opens > now);
                proptest::prop_assert_eq!(window_state(&window, opens), WindowState::Open);
                let just = Timestamp::from_second(opens.as_second() - 1).unwrap();
                proptest::prop_assert!(window_state(&window, just) != WindowState::Open);
            }
            WindowState::Open => proptest::prop_assert!(start != end),
            WindowState::Invalid { .. } => proptest::prop_assert!(start == end),
        }
    }
}
