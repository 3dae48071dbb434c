//! Schedules as CronJobs have them: five fields or a macro, in a time zone of their own.

use cronexpr::{Crontab, MakeTimestamp};
use jiff::{SignedDuration, Timestamp};

/// A schedule.
#[derive(Debug)]
pub(super) enum Schedule {
    /// At certain times.
    Times(Box<Crontab>),
    /// `@every`: after each other.
    Every(SignedDuration),
}

impl Schedule {
    /// Reads a schedule; none when it is none, or the zone is not known.
    pub(super) fn read(text: &str, zone: Option<&str>) -> Option<Self> {
        let text = text.trim();
        if let Some(every) = text.strip_prefix("@every ") {
            let every: SignedDuration = every.trim().parse().ok()?;
            return (every >= SignedDuration::from_secs(1)).then_some(Self::Every(every));
        }
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            fields => fields,
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let &[minute, hour, day, month, week] = fields.as_slice() else { return None };
        // Kubernetes takes `?` for `*`, and a step over all days for a choice of days, which is then joined with the
        // other field; only a plain star leaves the choice to the other field.
        let plain = |field: &str| if field == "?" { "*".to_owned() } else { field.to_owned() };
        let days = |field: &str, all: &str| match field.strip_prefix("*/").or_else(|| field.strip_prefix("?/")) {
            Some("1") => "*".to_owned(),
            Some(step) => format!("{all}/{step}"),
            None => plain(field),
        };
        let (day, week) = (days(day, "1-31"), days(week, "0-6"));
        let zone = zone.filter(|zone| !zone.is_empty()).unwrap_or("UTC");
        let expression = format!("{} {} {day} {} {week} {zone}", plain(minute), plain(hour), plain(month));
        Some(Self::Times(Box::new(cronexpr::parse_crontab(&expression).ok()?)))
    }

    /// The first time after an instant; none when there is none for years.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Times(times) => Some(times.find_next(MakeTimestamp(after)).ok()?.timestamp()),
            Self::Every(every) => after.checked_add(*every).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(text: &str, zone: Option<&str>, after: &str) -> Option<String> {
        let after: Timestamp = after.parse().unwrap();
        Some(Schedule::read(text, zone)?.next(after)?.to_string())
    }

    #[test]
    fn schedules_are_read_as_kubernetes_reads_them() {
        let start = "2026-11-25T10:07:30Z";
        for (text, zone, expected) in [
            ("*/5 * * * *", None, "2026-11-25T10:10:00Z"),
            ("0 2 * * *", Some("America/Sao_Paulo"), "2026-11-26T05:00:00Z"),
            ("30 9 * * 1-5", Some("Europe/Berlin"), "2026-11-26T08:30:00Z"),
            ("@hourly", None, "2026-11-25T11:00:00Z"),
            ("@daily", Some("UTC"), "2026-11-26T00:00:00Z"),
            ("@weekly", None, "2026-11-29T00:00:00Z"),
            ("@monthly", None, "2026-12-01T00:00:00Z"),
            ("@yearly", None, "2027-01-01T00:00:00Z"),
            ("@every 90m", None, "2026-11-25T11:37:30Z"),
            ("0 0 ? * ?", None, "2026-11-26T00:00:00Z"),
            ("0 0 29 2 *", None, "2028-02-29T00:00:00Z"),
            ("15 14 1 JAN,jul SUN", None, "2027-01-01T14:15:00Z"),
            // Either day counts where both are chosen; a step is a choice.
            ("0 0 13 * 5", None, "2026-11-27T00:00:00Z"),
            ("0 0 */10 * 5", None, "2026-11-27T00:00:00Z"),
            ("0 0 * * 7", None, "2026-11-29T00:00:00Z"),
        ] {
            assert_eq!(next(text, zone, start).as_deref(), Some(expected), "{text} {zone:?}");
        }
        assert_eq!(next("0 0 30 2 *", None, start), None, "that day never comes");
        for text in ["", "* * * *", "61 * * * *", "@reboot", "@every x", "@every 0s", "a b c d e", "* * * * * *"] {
            assert!(Schedule::read(text, None).is_none(), "{text}");
        }
        assert!(Schedule::read("* * * * *", Some("Mars/Olympus")).is_none());
    }

    #[test]
    fn a_summer_time_gap_does_not_stop_it() {
        // 02:30 does not exist on 2026-03-29 in Berlin.
        let found = next("30 2 * * *", Some("Europe/Berlin"), "2026-03-28T02:00:00Z").unwrap();
        assert!(found.starts_with("2026-03-29") || found.starts_with("2026-03-30"), "{found}");
    }
}
