//! Python: `Traceback (most recent call last):`, frames, and the exception at the end; chains of them.

use super::{Level, Trace, head, indented};

const BEGIN: &str = "Traceback (most recent call last)";
const HANDLING: &str = "During handling of the above exception";
const CAUSE: &str = "The above exception was the direct cause";

/// One exception of a chain.
struct Raised {
    text: String,
    frame: Option<String>,
    /// Whether the one before it was its cause, rather than what was being handled.
    caused: bool,
}

pub(super) fn take(lines: &[String]) -> Option<(Trace, usize)> {
    if !lines.first()?.contains(BEGIN) {
        return None;
    }
    let (mut chain, mut own, mut any): (Vec<Raised>, _, _) = (Vec::new(), None, None);
    let (mut open, mut caused, mut linked, mut used) = (true, false, false, 1);
    while let Some(line) = lines.get(used) {
        let text = line.trim();
        if open && indented(line) {
            if let Some((frame, library)) = frame(text) {
                if !library {
                    own = Some(frame.clone());
                }
                any = Some(frame);
            }
        } else if text.starts_with(HANDLING) || text.starts_with(CAUSE) {
            (caused, linked) = (text.starts_with(CAUSE), true);
        } else if linked && text.starts_with(BEGIN) {
            (open, linked, own, any) = (true, false, None, None);
        } else if open && !text.is_empty() {
            chain.push(Raised { text: text.to_owned(), frame: own.take().or(any.take()), caused });
            open = false;
        } else if !(text.is_empty() && (linked || goes_on(lines.get(used..).unwrap_or_default()))) {
            break;
        }
        used += 1;
    }
    // The last one ended the process. What it names as its cause is the reason, what it was handling need not be.
    let mut at = chain.len().checked_sub(1)?;
    while at > 0 && chain.get(at).is_some_and(|raised| raised.caused) {
        at -= 1;
    }
    let others: Vec<&str> =
        chain.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, raised)| raised.text.as_str()).collect();
    let around = others.join("; ");
    let raised = chain.get(at)?;
    let (text, _) = head(&raised.text);
    Some((Trace { text, frame: raised.frame.clone(), around, level: Level::Fatal }, used))
}

/// Whether a chain goes on after empty lines.
fn goes_on(lines: &[String]) -> bool {
    let next = lines.iter().find(|line| !line.trim().is_empty());
    next.is_some_and(|line| [HANDLING, CAUSE].iter().any(|text| line.trim().starts_with(text)))
}

/// `File "/app/main.py", line 12, in connect`: the place, and whether it belongs to a library.
fn frame(line: &str) -> Option<(String, bool)> {
    let (file, rest) = line.strip_prefix("File \"")?.split_once('"')?;
    let number: String = rest.trim_start_matches(", line ").chars().take_while(char::is_ascii_digit).collect();
    let library = ["site-packages", "dist-packages", "/lib/python", "<frozen"].iter().any(|part| file.contains(part));
    Some((format!("{file}:{number}"), library))
}
