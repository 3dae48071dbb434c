//! Names of what the pipeline makes: the same for the same thing, never cut where they differ, legal everywhere.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// Longest name that is also a label value.
const MAX: usize = 63;

/// The first `digits` hexadecimal digits of a hash over all parts; two lists of parts never read the same.
pub fn hash_hex(parts: &[&str], digits: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .take(digits)
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// Any text as an RFC 1123 label of at most 63 characters that ends in `-<hash>`; only the text is cut.
fn named(text: &str, hash: &str) -> String {
    let mut head = String::new();
    for character in text.chars().map(|c| c.to_ascii_lowercase()) {
        if character.is_ascii_alphanumeric() {
            head.push(character);
        } else if !head.ends_with('-') && !head.is_empty() {
            head.push('-');
        }
        if head.len() + 1 + hash.len() >= MAX {
            break;
        }
    }
    let head = head.trim_end_matches('-');
    if head.is_empty() { format!("x-{hash}") } else { format!("{head}-{hash}") }
}

/// Any text as a label value: legal characters, at most 63, two long texts stay two.
pub fn label(text: &str) -> String {
    let legal: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect();
    let ends = ['-', '_', '.'];
    if legal.len() <= MAX {
        return legal.trim_matches(ends).to_owned();
    }
    let head: String = legal.chars().take(MAX - 9).collect();
    format!("{}-{}", head.trim_matches(ends), hash_hex(&[text], 8))
}

/// Anomaly of an alert. The same alert seen again keeps it; the same fault coming back later gets another one.
pub fn anomaly_name(workload: &str, signal: &str, alert_id: &str, first_seen: Timestamp) -> String {
    named(&format!("{workload}-{signal}"), &hash_hex(&[alert_id, &first_seen.as_second().to_string()], 10))
}

/// Issue of a root. `previous` is the last Issue of that root that is over, so that the next one has another name, and
/// the same one whoever computes it from the same anomaly.
pub fn issue_name(resource: &str, signal: &str, root: &str, previous: &str) -> String {
    named(&format!("{resource}-{signal}"), &hash_hex(&[root, previous], 8))
}

/// Incident number, `INC-YYYYMMDD-XXXXXX`, of the day in UTC.
pub fn incident_id(namespace: &str, issue: &str, now: Timestamp) -> String {
    let day = now.to_zoned(TimeZone::UTC).strftime("%Y%m%d").to_string();
    format!("INC-{day}-{}", hash_hex(&[namespace, issue], 6).to_uppercase())
}

/// AIInsight of an Issue.
pub fn insight_name(issue: &str) -> String {
    format!("{issue}-insight")
}

/// Plan of an attempt.
pub fn plan_name(issue: &str, attempt: i32) -> String {
    format!("{issue}-plan-{attempt}")
}

/// Report of an Issue. `round` is more than 0 when a report of an earlier Issue of that name still stands.
pub fn post_mortem_name(issue: &str, uid: &str, round: u32) -> String {
    let plain = format!("pm-{issue}");
    if round == 0 && plain.len() <= MAX {
        return plain;
    }
    named(&plain, &hash_hex(&[issue, uid, &round.to_string()], 8))
}

/// Record of something that happens once to an object.
pub fn audit_name(uid: &str, event: &str, round: &str) -> String {
    format!("audit-{}", hash_hex(&[uid, event, round], 16))
}
