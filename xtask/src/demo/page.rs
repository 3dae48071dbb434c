//! Text for a terminal: lines that fit, broken between words.

use std::process::{Command, Stdio};

/// Widest line that is easy to read.
const WIDEST: usize = 130;
/// Width where there is no terminal.
const USUAL: usize = 110;

/// Columns that a line may have.
pub fn width() -> usize {
    // The size of the terminal is known to its driver; `stty` asks it.
    let asked = Command::new("stty").arg("size").stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok();
    asked
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<usize>().ok())
        .filter(|columns| *columns >= 60)
        .unwrap_or(USUAL)
        .min(WIDEST)
}

/// Breaks a text between words; every line but the first begins with `indent` spaces.
pub fn wrap(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_break_between_words_and_keep_their_indent() {
        assert_eq!(wrap("a short text", 4, 80), "a short text");
        assert_eq!(wrap("twenty characters at most here", 2, 22), "twenty characters at\n  most here");
        let long = "x".repeat(60);
        assert_eq!(wrap(&format!("a {long} b"), 0, 30), format!("a\n{long}\nb"), "a long word stays whole");
        assert_eq!(wrap("  \n ", 3, 30), "");
    }
}
