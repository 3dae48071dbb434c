//! Who leads, as a function of the lease and of what was seen of it before.
//!
//! Clocks of machines differ, so the times in the lease are not compared with ours: a lease has expired when it has not
//! changed for its duration while *we* watched.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use tokio::time::Instant;

/// What a candidate saw of the lease.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Who held it.
    pub holder: Option<String>,
    renewed: Option<Timestamp>,
    /// When it will have expired, unless it changes.
    expires: Option<Instant>,
}

impl Observation {
    /// Remembers the lease; a change of holder or renewal starts its time anew.
    pub fn note(&mut self, spec: Option<&LeaseSpec>, now: Instant, duration: Duration) {
        let holder = spec.and_then(|spec| spec.holder_identity.clone()).filter(|holder| !holder.is_empty());
        let renewed = spec.and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
        if self.expires.is_none() || holder != self.holder || renewed != self.renewed {
            let theirs = spec
                .and_then(|spec| spec.lease_duration_seconds)
                .and_then(|s| u64::try_from(s).ok())
                .map(Duration::from_secs);
            self.expires = Some(now + theirs.unwrap_or(duration));
        }
        self.holder = holder;
        self.renewed = renewed;
    }

    /// Whether it is worth asking for the lease.
    pub fn is_free(&self, me: &str, now: Instant) -> bool {
        self.holder.as_deref().is_none_or(|holder| holder == me)
            || self.until_expiry(now).is_none_or(|left| left.is_zero())
    }

    /// Time until the lease may be taken.
    pub fn until_expiry(&self, now: Instant) -> Option<Duration> {
        self.expires.map(|at| at.saturating_duration_since(now))
    }
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody else holds it.
    Wait,
    /// Write it: it is ours, free, or expired.
    Take {
        /// The number of changes of hands to write.
        transitions: i32,
    },
}

/// Looks at the lease.
pub fn decide(spec: Option<&LeaseSpec>, me: &str, seen: &mut Observation, now: Instant, duration: Duration) -> Step {
    seen.note(spec, now, duration);
    let transitions = spec.and_then(|spec| spec.lease_transitions).unwrap_or(0);
    match &seen.holder {
        Some(holder) if holder == me => Step::Take { transitions },
        Some(_) if seen.until_expiry(now).is_some_and(|left| !left.is_zero()) => Step::Wait,
        Some(_) => Step::Take { transitions: transitions.saturating_add(1) },
        None => Step::Take { transitions: transitions.saturating_add(i32::from(spec.is_some())) },
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn lease(holder: &str, renewed: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.into()),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            ..LeaseSpec::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_taken_only_after_it_stood_still_for_its_duration() {
        let mut seen = Observation::default();
        let begin = Instant::now();
        // Renewed in 1970 by its own clock: that says nothing.
        assert_eq!(decide(Some(&lease("other", 1)), "me", &mut seen, begin, DURATION), Step::Wait);
        assert_eq!(
            decide(Some(&lease("other", 1)), "me", &mut seen, begin + Duration::from_secs(14), DURATION),
            Step::Wait
        );
        assert_eq!(
            decide(Some(&lease("other", 9)), "me", &mut seen, begin + Duration::from_secs(16), DURATION),
            Step::Wait
        );
        assert_eq!(
            decide(Some(&lease("other", 9)), "me", &mut seen, begin + Duration::from_secs(31), DURATION),
            Step::Take { transitions: 4 }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_free_lease_is_taken_at_once_and_ours_is_renewed() {
        let now = Instant::now();
        assert_eq!(decide(None, "me", &mut Observation::default(), now, DURATION), Step::Take { transitions: 0 });
        let released = LeaseSpec { holder_identity: None, ..lease("x", 1) };
        assert_eq!(
            decide(Some(&released), "me", &mut Observation::default(), now, DURATION),
            Step::Take { transitions: 4 }
        );
        assert_eq!(
            decide(Some(&lease("me", 1)), "me", &mut Observation::default(), now, DURATION),
            Step::Take { transitions: 3 }
        );
    }
}
