//! Repeats become one entry with a count: lines that differ in numbers, times and ids only.

use std::collections::HashMap;

use super::Entry;

/// Folds repeats; an entry stands where it was said last, with the words of that time.
pub(super) fn fold(entries: Vec<Entry>) -> Vec<Entry> {
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Option<Entry>> = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let key = shape(&entry.text);
        if let Some(before) = at.get(&key).and_then(|index| kept.get_mut(*index)).and_then(Option::take) {
            entry.count += before.count;
        }
        at.insert(key, kept.len());
        kept.push(Some(entry));
    }
    kept.into_iter().flatten().collect()
}

/// A text without what changes from time to time: numbers, and words of letters and digits that are long enough for an id.
fn shape(text: &str) -> String {
    /// Letters and digits mixed in a word shorter than this belong to its name, as in `db1`.
    const ID: usize = 6;
    let mut shape = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let (word, end) = match word.char_indices().next_back() {
            Some((at, c)) if !c.is_ascii_alphanumeric() => word.split_at(at),
            _ => (word, ""),
        };
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if digits > 0 && (digits == word.len() || word.len() >= ID) {
            shape.push('#');
        } else {
            shape.push_str(word);
        }
        shape.push_str(end);
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn numbers_times_and_ids_do_not_count() {
        let same = |a: &str, b: &str| assert_eq!(shape(a), shape(b));
        same("attempt 1 of 5: dial 10.0.0.5:80", "attempt 4 of 5: dial 10.0.0.7:80");
        same("request 4f9c2d1a failed in 12.5", "request 77ab01ff failed in 3.1");
        assert_ne!(shape("connect to db1"), shape("connect to db2"));
        assert_ne!(shape("cannot open a"), shape("cannot open b"));
    }
}
