//! The log line that matters.

use super::Evidence;

const LINE: usize = 300;

fn weight(line: &str) -> u32 {
    const STRONG: [&str; 9] =
        ["panic", "fatal", "exception", "traceback", "error", "cannot", "could not", "failed", "unable"];
    const WEAK: [&str; 10] = [
        "not defined",
        "not set",
        "missing",
        "required",
        "invalid",
        "refused",
        "denied",
        "no such",
        "stopping",
        "unknown",
    ];
    let line = line.to_ascii_lowercase();
    let strong = STRONG.iter().any(|w| line.contains(w));
    let weak = WEAK.iter().any(|w| line.contains(w));
    u32::from(strong) * 2 + u32::from(weak) * 2
}

/// The last lines of the failing container.
pub(super) fn lines(evidence: &Evidence) -> Vec<String> {
    let container = evidence.container();
    let tail = evidence.logs.iter().find(|l| l.container == container);
    tail.map(|t| t.lines.iter().map(|l| clip(l)).filter(|l| !l.is_empty()).collect()).unwrap_or_default()
}

/// The line that says why: the last one among those that sound most like it.
pub(super) fn decisive(lines: &[String]) -> Option<&String> {
    lines.iter().enumerate().max_by_key(|(index, line)| (weight(line), *index)).map(|(_, line)| line)
}

fn clip(line: &str) -> String {
    let clean: String = line.chars().filter(|c| !c.is_control()).take(LINE).collect();
    clean.trim().to_owned()
}

/// Whether a line speaks of a word: as a whole, not inside another one.
pub(super) fn mentions(line: &str, word: &str) -> bool {
    if word.len() < 3 {
        return false;
    }
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|s| s.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(inside) && !after.is_some_and(inside)
    })
}
