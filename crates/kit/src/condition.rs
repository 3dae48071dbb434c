//! Conditions as the Kubernetes API conventions have them: one per type, the transition time moves with the status only.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Longest message that the API server takes.
const MESSAGE_LIMIT: usize = 32_768;

/// Value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known whether it holds.
    Unknown,
}

impl Status {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Sets the condition of a type; returns whether anything but the time changed.
pub fn upsert(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: impl Into<Status>,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> bool {
    let status = status.into().as_str();
    let message = cut(message, MESSAGE_LIMIT);
    if let Some(old) = conditions.iter_mut().find(|condition| condition.type_ == type_) {
        let changed = old.status != status
            || old.reason != reason
            || old.message != message
            || old.observed_generation != generation;
        if old.status != status {
            old.last_transition_time = Time(now);
            status.clone_into(&mut old.status);
        }
        reason.clone_into(&mut old.reason);
        message.clone_into(&mut old.message);
        old.observed_generation = generation;
        return changed;
    }
    conditions.push(Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: generation,
        last_transition_time: Time(now),
    });
    true
}

/// Whether the condition of a type is there and True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True")
}

/// The longest start of a text that has at most `limit` bytes and ends between two characters.
pub fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn transition_time_moves_with_the_status_only() {
        let mut list = Vec::new();
        assert!(upsert(&mut list, "Ready", true, "Up", "all well", Some(1), at(1)));
        assert!(!upsert(&mut list, "Ready", true, "Up", "all well", Some(1), at(2)));
        assert!(upsert(&mut list, "Ready", true, "Up", "still well", Some(1), at(3)));
        assert_eq!(list[0].last_transition_time.0, at(1));
        assert!(upsert(&mut list, "Ready", false, "Down", "gone", Some(2), at(4)));
        assert_eq!(list[0].last_transition_time.0, at(4));
        assert_eq!(list.len(), 1);
        assert!(!is_true(&list, "Ready"));
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("ação", 2), "a");
        assert_eq!(cut("ação", 3), "aç");
        assert_eq!(cut("a", 10), "a");
    }
}
