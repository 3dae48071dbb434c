//! The log line that matters.

use super::Evidence;

const LINE: usize = 300;
/// Lines that are looked at and kept, from the end.
const LINES: usize = 50;

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
    let pod = evidence.symptom.pod.as_ref().map(|p| p.name.as_str());
    let ours = |l: &&super::LogTail| l.container == container;
    let tail = evidence
        .logs
        .iter()
        .filter(ours)
        .find(|l| Some(l.pod.as_str()) == pod)
        .or_else(|| evidence.logs.iter().find(ours));
    let lines = tail.map(|t| t.lines.as_slice()).unwrap_or_default();
    let newest = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
    newest.iter().map(|l| clip(l)).filter(|l| !l.is_empty()).collect()
}

/// The line that says why: the last one among those that sound most like it.
pub(super) fn decisive(lines: &[String]) -> Option<&String> {
    lines.iter().enumerate().max_by_key(|(index, line)| (weight(line), *index)).map(|(_, line)| line)
}

fn clip(line: &str) -> String {
    let clean: String = line.chars().filter(|c| !c.is_control() && !invisible(*c)).take(LINE).collect();
    clean.trim().to_owned()
}

/// Characters that show nothing and can make a text read as another one: zero widths and changes of direction.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
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
