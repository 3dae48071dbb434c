//! Makes log lines fit to be looked at: bounded, without escapes, control characters and binary.

/// Lines of a log that are looked at, from the end.
const LINES: usize = 400;
/// Bytes of a line that are looked at. A JSON line with a stack trace in it has some thousand.
const LINE: usize = 16 * 1024;
/// Of so many characters one may be unreadable; a line with more of them is no text.
const READABLE: usize = 6;

/// The lines that can be read, oldest first.
pub(super) fn lines(raw: &[String]) -> Vec<String> {
    let newest = raw.get(raw.len().saturating_sub(LINES)..).unwrap_or_default();
    newest.iter().filter_map(|line| clean(line)).collect()
}

/// A line without what shows nothing; none when it is binary. Leading white space stays: it tells a frame from a message.
fn clean(line: &str) -> Option<String> {
    let cut = (0..=LINE.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
    let line = without_escapes(line.get(..cut).unwrap_or_default());
    // A progress line overwrites itself: its last state counts.
    let line = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    let unreadable = line.chars().filter(|c| (c.is_control() && *c != '\t') || *c == '\u{fffd}').count();
    if unreadable * READABLE > line.chars().count() {
        return None;
    }
    Some(line.chars().filter(|c| *c == '\t' || !(c.is_control() || *c == '\u{fffd}' || invisible(*c))).collect())
}

/// Characters that show nothing and can make a text read as another one: zero widths and changes of direction.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Drops ANSI escapes: colours and cursor movements (`ESC [ … letter`), titles (`ESC ] … BEL`), and two-letter ones.
fn without_escapes(line: &str) -> String {
    const ESCAPE: char = '\u{1b}';
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c != ESCAPE {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('[') => {
                // Parameters until the letter that says what they are for.
                while chars.next_if(|c| matches!(c, '\u{20}'..='\u{3f}')).is_some() {}
                chars.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
            }
            Some(']') => {
                while let Some(c) = chars.next() {
                    if c == '\u{7}' || (c == ESCAPE && chars.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    out
}

/// At most `limit` characters of a text, on one line.
pub(in crate::diagnosis) fn cut(text: &str, limit: usize) -> String {
    let mut words = String::with_capacity(text.len().min(limit * 4));
    for (index, word) in text.split_whitespace().enumerate() {
        if index > 0 {
            words.push(' ');
        }
        words.push_str(word);
        if words.len() > limit * 4 {
            break;
        }
    }
    if words.chars().count() <= limit {
        return words;
    }
    let short: String = words.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", short.trim_end())
}
