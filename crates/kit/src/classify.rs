//! What kind of trouble an error is, and so what the driver does about it.

use std::time::Duration;

/// How a failed reconcile goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It may work later: retried with a growing delay.
    Transient,
    /// The object changed meanwhile: retried at once, on the newer one.
    Conflict,
    /// Something else must change first: looked at again when it does, and once an hour.
    Blocked,
    /// The object itself is wrong: looked at again when it changes.
    Invalid,
}

/// An error that knows its class.
pub trait Classified: std::error::Error + Send + 'static {
    /// What kind of trouble it is.
    fn class(&self) -> Class;
    /// One CamelCase word for conditions, Events and metrics.
    fn reason(&self) -> &'static str;
}

/// Class of an API server's answer.
pub fn of_kube(error: &kube::Error) -> Class {
    match error {
        kube::Error::Api(status) if status.is_conflict() => Class::Conflict,
        kube::Error::Api(status) if status.is_forbidden() || status.is_not_found() => Class::Blocked,
        kube::Error::Api(status) if status.code == 400 || status.code == 422 => Class::Invalid,
        _ => Class::Transient,
    }
}

/// Class of an API server's answer for what nobody watches: a right that was missing is granted in a role, which wakes
/// nobody, so that is tried again with a growing delay too.
pub fn of_kube_unwatched(error: &kube::Error) -> Class {
    match of_kube(error) {
        Class::Blocked => Class::Transient,
        class => class,
    }
}

/// Delay before the n-th retry of a transient error: 1 s, doubling, at most 5 min, with a jitter of a fifth.
pub fn backoff(failures: u32) -> Duration {
    let base =
        Duration::from_secs(1).saturating_mul(1 << failures.saturating_sub(1).min(9)).min(Duration::from_mins(5));
    base.mul_f64(rand::random_range(0.8..1.2))
}

#[cfg(test)]
mod tests {
    use super::backoff;

    #[test]
    fn backoff_grows_and_is_bounded() {
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (5, 16.0), (9, 256.0), (10, 300.0), (u32::MAX, 300.0)] {
            let delay = backoff(failures).as_secs_f64();
            assert!((0.8..1.2).contains(&(delay / seconds)), "{failures}: {delay}");
        }
    }
}
