//! Stack traces in one line: the innermost cause, and the first frame below it that is the application's own.
//!
//! One file per form: `frames` for the languages that write `at …` (Java, .NET, Node), `python`, `go`, `rust`.

mod frames;
mod go;
mod python;
mod rust;

use super::record::{self, Level};

/// Lines that one trace may take; what is longer is cut, and the rest read as another one.
const LONGEST: usize = 300;

/// A condensed trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    /// Message of the innermost cause.
    pub(super) text: String,
    /// Where in the application it happened.
    pub(super) frame: Option<String>,
    /// What the outer exceptions say: they may name what the innermost one leaves out.
    pub(super) around: String,
    pub(super) level: Level,
}

/// The trace that begins at the first of these lines, and how many lines it takes.
pub(super) fn take(lines: &[String]) -> Option<(Trace, usize)> {
    let lines = lines.get(..LONGEST.min(lines.len()))?;
    python::take(lines).or_else(|| go::take(lines)).or_else(|| rust::take(lines)).or_else(|| frames::take(lines))
}

/// Lines that Node prints before an error, which show its source: a file, some code, and a mark.
pub(super) fn source(lines: &[String]) -> usize {
    let place = lines.first().is_some_and(|line| {
        let number = line.rsplit_once(':').is_some_and(|(_, n)| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
        number && !line.contains(' ') && ["/", "node:", "file:"].iter().any(|begin| line.starts_with(begin))
    });
    if !place {
        return 0;
    }
    let mark = |line: &String| !line.trim().is_empty() && line.trim().chars().all(|c| c == '^' || c == '~');
    lines.iter().take(6).position(mark).map_or(0, |at| at + 1)
}

/// The message of a line without what a logger put before it, and its level; a trace is at least an error.
fn head(line: &str) -> (String, Level) {
    let record = record::read(line);
    (record.text, record.level.max(Level::Error))
}

fn indented(line: &str) -> bool {
    line.starts_with([' ', '\t'])
}
