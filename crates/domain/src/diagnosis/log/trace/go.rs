//! Go: `panic: …` or `fatal error: …`, then goroutines with their frames.

use super::{Level, Trace, head};

/// Lines between the message and the first goroutine: signals, and panics over panics.
const HEAD: usize = 8;

pub(super) fn take(lines: &[String]) -> Option<(Trace, usize)> {
    let (text, _) = head(lines.first()?);
    let begins =
        text.starts_with("panic: ") || text.starts_with("fatal error: ") || text.contains("http: panic serving");
    if !begins {
        return None;
    }
    let first = lines.iter().take(HEAD).position(|line| line.starts_with("goroutine ") && line.contains('['))?;
    let around = lines.get(1..first).unwrap_or_default().iter().map(|l| l.trim()).collect::<Vec<_>>().join(" ");
    let mut frame = None;
    let mut used = first + 1;
    let mut main = true;
    while let Some(line) = lines.get(used) {
        let next = lines.get(used + 1);
        if line.trim().is_empty() {
            // Another goroutine may follow; only the first one panicked.
            main = false;
            if !next.is_some_and(|line| line.starts_with("goroutine ")) {
                break;
            }
        } else if let Some(place) = next.and_then(|line| line.strip_prefix('\t')) {
            if main && frame.is_none() {
                frame = own(line, place);
            }
            used += 1;
        } else if !line.starts_with("goroutine ") && !line.starts_with("...") && !line.starts_with("created by ") {
            break;
        }
        used += 1;
    }
    Some((Trace { text, frame, around, level: Level::Fatal }, used.min(lines.len())))
}

/// `main.connect` and `/src/db.go:12 +0x1d`, unless they are the runtime's or a library's.
fn own(function: &str, place: &str) -> Option<String> {
    const NOT_OURS: [&str; 10] =
        ["panic(", "runtime.", "runtime/", "testing.", "net.", "net/", "os.", "syscall.", "internal/", "created by "];
    let library = NOT_OURS.iter().any(|begin| function.starts_with(begin))
        || ["/pkg/mod/", "/usr/local/go/src/", "/vendor/"].iter().any(|part| place.contains(part));
    let place = place.split(" +0x").next().unwrap_or(place).trim();
    (!library && place.contains(':')).then(|| place.to_owned())
}
