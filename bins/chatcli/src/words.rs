//! How commands write objects, causes and tables. What comes out of a cluster or a file may hold anything, also what
//! commands a terminal.

use api::shared::{ObjectRef, RootCause};

/// Text of others, on one line, without control characters.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The same, of at most so many characters.
pub fn short(text: &str, most: usize) -> String {
    let text = plain(text);
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// `Deployment shop/web`.
pub fn object(object: &ObjectRef) -> String {
    let place =
        object.namespace.iter().filter(|namespace| !namespace.is_empty()).map(|namespace| format!("{namespace}/"));
    plain(&format!("{} {}{}", object.kind, place.collect::<String>(), object.name))
}

/// `Deployment shop/web, spec.replicas = 0`.
pub fn place(cause: &RootCause) -> String {
    let path = cause.path.as_ref().map(|path| format!(", {}", plain(path))).unwrap_or_default();
    let value = cause.value.as_ref().map(|value| format!(" = {}", short(value, 120))).unwrap_or_default();
    format!("{}{path}{value}", object(&cause.object))
}

/// Rows under their headings, each column as wide as it must be; the last one is not padded.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let padding = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(padding))
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_does_not_get_there() {
        assert_eq!(plain("a\u{1b}[31mb\nc\u{7}"), "a [31mb c ");
        assert_eq!(short("äöü", 2), "äö…");
        let rows = vec![vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "c".to_owned()]];
        assert_eq!(table(&rows), "a     b\nlong  c\n");
    }
}
