//! When a call is made again, when a provider rests, and how the time is shared among those that may be asked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Class, Failure};

/// Longest wait between two tries that no provider asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Wait before the first repetition, at most.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// How stubborn a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Repetitions of a call beyond the first.
    pub max_retries: u32,
    /// First rest of a provider that failed.
    pub cooldown_base: Duration,
    /// Longest rest.
    pub cooldown_max: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_retries: 2, cooldown_base: Duration::from_secs(30), cooldown_max: Duration::from_mins(5) }
    }
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same call again after this long.
    Again(Duration),
    /// The next provider.
    GiveUp,
}

impl Policy {
    /// What follows the failure of try number `tries` (from 1), with `left` of the provider's time left. `jitter` is a
    /// random number from 0 to 1: many servers that failed together must not come back together.
    pub fn after(&self, failure: &Failure, tries: u32, left: Duration, jitter: f64) -> Next {
        if !failure.class.passes() || tries > self.max_retries {
            return Next::GiveUp;
        }
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
        let wait = if let Some(asked) = failure.retry_after {
            // Never earlier than asked; a little later, and each a little different.
            asked.saturating_add(Duration::from_millis((jitter * 250.0) as u64))
        } else {
            FIRST_WAIT.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST_WAIT).mul_f64(jitter)
        };
        // A wait that leaves no time to ask is no wait but an end.
        if wait >= left { Next::GiveUp } else { Next::Again(wait) }
    }

    /// Time that a provider may use, of what is `left`, when `others` may still be asked after it.
    pub fn share(left: Duration, others: usize) -> Duration {
        if others == 0 { left } else { left * 2 / 3 }
    }
}

/// Whether a provider rests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cooldown {
    failures: u32,
    until: Option<Timestamp>,
}

impl Cooldown {
    /// Until when it rests.
    pub fn resting(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| *until > now)
    }

    /// After the last try of an analysis failed.
    pub fn failed(&mut self, failure: &Failure, policy: &Policy, now: Timestamp) {
        // What is wrong with one request says nothing about the next.
        if matches!(failure.class, Class::BadRequest | Class::TooLong | Class::Refused | Class::Broken) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let doubled = policy.cooldown_base.saturating_mul(1 << (self.failures - 1).min(16)).min(policy.cooldown_max);
        let rest = if failure.class.lasting() { policy.cooldown_max } else { doubled };
        let rest = failure.retry_after.map_or(rest, |asked| asked.max(rest));
        let rest = SignedDuration::try_from(rest).unwrap_or(SignedDuration::from_hours(1));
        self.until = Some(now.saturating_add(rest).unwrap_or(Timestamp::MAX));
    }

    /// After it answered.
    pub fn answered(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn later(seconds: i64) -> Timestamp {
        NOW + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn only_what_passes_is_tried_again_and_never_more_often_than_allowed() {
        let (policy, left) = (Policy::default(), Duration::from_mins(1));
        for class in [Class::Auth, Class::Quota, Class::Model, Class::TooLong, Class::BadRequest, Class::Refused] {
            assert_eq!(policy.after(&Failure::new(class, ""), 1, left, 0.5), Next::GiveUp, "{class:?}");
        }
        for class in [Class::RateLimited, Class::Server, Class::Timeout, Class::Network, Class::Broken] {
            let failure = Failure::new(class, "");
            assert_eq!(policy.after(&failure, 1, left, 0.5), Next::Again(Duration::from_millis(500)), "{class:?}");
            assert_eq!(policy.after(&failure, 2, left, 1.0), Next::Again(Duration::from_secs(2)));
            assert_eq!(policy.after(&failure, 3, left, 0.5), Next::GiveUp);
        }
    }

    #[test]
    fn a_wish_of_the_provider_is_never_undercut_and_ends_the_tries_when_it_is_too_long() {
        let policy = Policy::default();
        let wish = |seconds| Failure {
            class: Class::RateLimited,
            message: String::new(),
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(policy.after(&wish(7), 1, Duration::from_secs(30), 0.0), Next::Again(Duration::from_secs(7)));
        assert_eq!(policy.after(&wish(40), 1, Duration::from_secs(30), 0.0), Next::GiveUp);
        assert_eq!(policy.after(&wish(u64::MAX), 1, Duration::from_secs(30), f64::NAN), Next::GiveUp);
    }

    #[test]
    fn rests_grow_up_to_the_longest_and_end_with_an_answer() {
        let (policy, mut rest) = (Policy::default(), Cooldown::default());
        let failure = Failure::new(Class::Server, "");
        for seconds in [30, 60, 120, 240, 300, 300] {
            rest.failed(&failure, &policy, NOW);
            assert_eq!(rest.resting(NOW), Some(later(seconds)));
        }
        assert_eq!(rest.resting(later(300)), None);
        rest.answered();
        assert_eq!(rest.resting(NOW), None);
        rest.failed(&Failure::new(Class::Auth, ""), &policy, NOW);
        assert_eq!(rest.resting(NOW), Some(later(300)), "a wrong key stays wrong");
        let mut rest = Cooldown::default();
        rest.failed(&Failure::new(Class::TooLong, ""), &policy, NOW);
        assert_eq!(rest.resting(NOW), None, "the next question may be shorter");
        let asked = Failure { retry_after: Some(Duration::from_mins(15)), ..failure };
        rest.failed(&asked, &policy, NOW);
        assert_eq!(rest.resting(NOW), Some(later(900)));
    }

    #[test]
    fn who_is_asked_first_leaves_time_for_the_others() {
        let left = Duration::from_millis(99_999);
        assert_eq!(Policy::share(left, 2), Duration::from_millis(66_666));
        assert_eq!(Policy::share(left, 0), left);
    }
}
