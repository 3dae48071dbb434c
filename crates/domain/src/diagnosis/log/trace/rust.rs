//! Rust: a thread that panicked, and errors that `main` returned with their causes.

use super::{Level, Trace, head};

pub(super) fn take(lines: &[String]) -> Option<(Trace, usize)> {
    panicked(lines).or_else(|| returned(lines))
}

/// `thread 'main' panicked at src/main.rs:12:5:` and the message below; before 1.73 `panicked at 'message', src/main.rs:12:5`.
fn panicked(lines: &[String]) -> Option<(Trace, usize)> {
    let (_, rest) = lines.first()?.split_once(" panicked at ")?;
    if !lines.first()?.contains("thread '") {
        return None;
    }
    let (mut text, place, mut used);
    if let Some((message, at)) = rest.strip_prefix('\'').and_then(|rest| rest.rsplit_once("', ")) {
        (text, place, used) = (message.to_owned(), at.trim().to_owned(), 1);
    } else {
        place = rest.trim().trim_end_matches(':').to_owned();
        (text, used) = (String::new(), 1);
        while let Some(line) = lines.get(used).filter(|line| !ends(line) && used < 6) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(line.trim());
            used += 1;
        }
    }
    while lines.get(used).is_some_and(|line| part(line)) {
        used += 1;
    }
    // The column says nothing to people.
    let frame = place.rsplit_once(':').map(|(place, _)| place.to_owned());
    let text = if text.is_empty() { "panicked".to_owned() } else { text };
    Some((Trace { text, frame, around: String::new(), level: Level::Fatal }, used))
}

fn ends(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with("note: ") || line.starts_with("stack backtrace:")
}

/// Lines of a backtrace.
fn part(line: &str) -> bool {
    let trimmed = line.trim_start();
    let numbered =
        trimmed.split_once(": ").is_some_and(|(n, _)| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    line.starts_with("note: ")
        || line.starts_with("stack backtrace:")
        || (line.starts_with(' ') && (numbered || trimmed.starts_with("at ")))
}

/// `Error: outer`, an empty line, `Caused by:`, and the causes, numbered where there are several.
fn returned(lines: &[String]) -> Option<(Trace, usize)> {
    let (outer, _) = head(lines.first()?);
    let begin = lines.iter().skip(1).take(2).position(|line| line.trim() == "Caused by:")? + 1;
    if lines.get(1..begin)?.iter().any(|line| !line.trim().is_empty()) {
        return None;
    }
    let mut used = begin + 1;
    let mut causes = vec![outer];
    while let Some(line) = lines.get(used).filter(|line| line.starts_with(' ') && !line.trim().is_empty()) {
        let text = line.trim();
        let numbered = text.split_once(": ").filter(|(n, _)| n.chars().all(|c| c.is_ascii_digit()));
        causes.push(numbered.map_or(text, |(_, rest)| rest).to_owned());
        used += 1;
    }
    while lines.get(used).is_some_and(|line| part(line)) {
        used += 1;
    }
    let last = causes.pop()?;
    // The innermost one is often only "No such file or directory": the one around it says of what.
    let text = causes.last().map_or_else(|| last.clone(), |outer| format!("{}: {last}", outer.trim_end_matches(':')));
    Some((Trace { text, frame: None, around: causes.join("; "), level: Level::Fatal }, used))
}
