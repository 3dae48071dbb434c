//! What the state of an alert says about the status of its Anomaly, and when that is worth a write.

use api::anomaly::{AnomalyState, AnomalyStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How old `lastSeen` and `count` may grow while the signal is there. A change of state is never late.
const REFRESH: SignedDuration = SignedDuration::from_mins(5);

/// An alert as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// How often it was seen.
    pub count: i64,
    /// When it cleared; absent while it fires.
    pub cleared: Option<Timestamp>,
}

/// The fields of an Anomaly's status that follow its alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Whether the signal is there.
    pub state: AnomalyState,
    /// When it was last seen.
    pub last_seen: Time,
    /// How often it was seen.
    pub count: i64,
    /// When it cleared.
    pub resolved_at: Option<Time>,
}

/// What to write for an alert, given what the Anomaly says. Nothing when only the counters moved a moment ago.
pub fn track(status: Option<&AnomalyStatus>, seen: &Sighting) -> Option<Tracked> {
    let state = if seen.cleared.is_some() { AnomalyState::Resolved } else { AnomalyState::Firing };
    // The API keeps whole seconds.
    let whole = |t: Timestamp| Timestamp::from_second(t.as_second()).unwrap_or(t);
    let known = status.and_then(|s| s.last_seen.as_ref()).map(|t| t.0);
    if status.and_then(|s| s.state) == Some(state) {
        let fresh = known.is_some_and(|known| seen.last_seen.duration_since(known) < REFRESH);
        if state == AnomalyState::Resolved || fresh {
            return None;
        }
    }
    let last_seen = known.map_or(seen.last_seen, |known| known.max(seen.last_seen));
    let count = status.and_then(|s| s.count).unwrap_or(0).max(seen.count).max(1);
    Some(Tracked { state, last_seen: Time(whole(last_seen)), count, resolved_at: seen.cleared.map(whole).map(Time) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn firing(second: i64, count: i64) -> Sighting {
        Sighting { last_seen: at(second), count, cleared: None }
    }

    fn status(tracked: &Tracked) -> AnomalyStatus {
        AnomalyStatus {
            state: Some(tracked.state),
            last_seen: Some(tracked.last_seen.clone()),
            count: Some(tracked.count),
            resolved_at: tracked.resolved_at.clone(),
            ..AnomalyStatus::default()
        }
    }

    #[test]
    fn counters_alone_wait_and_a_change_of_state_does_not() {
        let first = track(None, &firing(0, 1)).unwrap();
        assert_eq!((first.state, first.count), (AnomalyState::Firing, 1));
        let known = status(&first);
        assert_eq!(track(Some(&known), &firing(299, 90)), None);
        assert_eq!(track(Some(&known), &firing(300, 91)).unwrap().count, 91);
        let cleared = Sighting { cleared: Some(at(7)), ..firing(6, 4) };
        let over = track(Some(&known), &cleared).unwrap();
        assert_eq!((over.state, over.resolved_at.clone()), (AnomalyState::Resolved, Some(Time(at(7)))));
        assert_eq!(track(Some(&status(&over)), &cleared), None);
    }

    #[test]
    fn a_server_that_starts_to_count_anew_takes_nothing_away() {
        let known = status(&track(None, &firing(1000, 50)).unwrap());
        let over = track(Some(&known), &Sighting { cleared: Some(at(1)), ..firing(0, 1) }).unwrap();
        assert_eq!((over.count, over.last_seen), (50, Time(at(1000))));
    }
}
