//! Times and limits of an Issue, and what the Instances that saw it say of them.

use api::instance::InstanceAiops;
use jiff::SignedDuration;

/// Times and limits of an Issue.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Attempts before people take over.
    pub max_attempts: i32,
    /// How long all signals must be gone.
    pub stability: SignedDuration,
    /// How long an analysis may take before people are told.
    pub analysis_deadline: SignedDuration,
    /// Whether an Issue that people were asked to look at is over when its signals clear by themselves.
    pub auto_resolve: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            stability: SignedDuration::from_secs(10),
            analysis_deadline: SignedDuration::from_mins(2),
            auto_resolve: true,
        }
    }
}

impl Settings {
    /// These, as the Instances that saw the fault have them. Where several saw it, the most careful one counts.
    #[must_use]
    pub fn of_instances<'a>(&self, aiops: impl IntoIterator<Item = &'a InstanceAiops>) -> Self {
        let mut own = self.clone();
        for (place, aiops) in aiops.into_iter().enumerate() {
            let given = aiops.max_remediation_attempts;
            own.max_attempts = if place == 0 { given } else { own.max_attempts.min(given) };
            own.auto_resolve &= aiops.enable_auto_resolve;
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aiops(attempts: i32, auto: bool) -> InstanceAiops {
        InstanceAiops {
            agentic_max_steps: 10,
            dedup_ttl_minutes: 30,
            enable_auto_resolve: auto,
            max_remediation_attempts: attempts,
            resolution_cooldown_minutes: 10,
        }
    }

    #[test]
    fn an_instance_says_what_holds_for_its_issues_and_of_several_the_most_careful_one() {
        let of = |all: &[InstanceAiops]| {
            let settings = Settings::default().of_instances(all);
            (settings.max_attempts, settings.auto_resolve)
        };
        assert_eq!(of(&[]), (5, true));
        assert_eq!(of(&[aiops(9, true)]), (9, true));
        assert_eq!(of(&[aiops(9, true), aiops(2, false), aiops(4, true)]), (2, false));
    }
}
