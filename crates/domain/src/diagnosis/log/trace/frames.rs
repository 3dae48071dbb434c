//! Java, .NET and Node: a message, then frames that begin with `at`; causes nest in ways of their own.

use super::{Trace, head, indented};

/// Lines that a message may take before its first frame.
const MESSAGE: usize = 8;
/// Lines of the properties that Node prints after the frames.
const PROPERTIES: usize = 20;

/// An exception of a chain.
#[derive(Default)]
struct Part {
    text: String,
    own: Option<String>,
    suppressed: bool,
}

pub(super) fn take(lines: &[String]) -> Option<(Trace, usize)> {
    let (text, level) = head(lines.first()?);
    let begins = |line: &String| frame(line).is_some() || cause(line).is_some();
    let first = lines.iter().take(MESSAGE + 1).position(begins)?;
    if (first == 0 && frame(lines.first()?).is_some()) || (first > 1 && !names_exception(&text)) {
        return orphan(lines, first);
    }
    // A line above an exception that only announces it is a line of its own.
    if lines.get(1..first)?.iter().any(|line| !indented(line) && names_exception(line)) {
        return None;
    }
    let mut parts = vec![Part { text: strip_thread(&text).to_owned(), ..Part::default() }];
    let mut around = lines.get(1..first).unwrap_or_default().iter().map(|l| l.trim().to_owned()).collect::<Vec<_>>();
    let used = walk(lines, first.max(1), &mut parts, &mut around)?;
    Some((condensed(parts, around, level)?, used))
}

/// Frames without a message: the log was cut above them. What follows them may still name a cause.
fn orphan(lines: &[String], first: usize) -> Option<(Trace, usize)> {
    if first != 0 {
        return None;
    }
    let (mut parts, mut around) = (vec![Part::default()], Vec::new());
    let used = walk(lines, 0, &mut parts, &mut around)?;
    Some((condensed(parts, around, super::Level::Error)?, used))
}

fn walk(lines: &[String], from: usize, parts: &mut Vec<Part>, around: &mut Vec<String>) -> Option<usize> {
    let mut used = from;
    // Frames of an inner exception of .NET end with a line that says so; those after it are the outer one's.
    let mut current = parts.len().checked_sub(1)?;
    while let Some(line) = lines.get(used) {
        let trimmed = line.trim();
        if let Some((place, library)) = frame(line) {
            if let Some(part) = parts.get_mut(current).filter(|part| part.own.is_none() && !library) {
                part.own = Some(place);
            }
            if trimmed.ends_with('{') {
                used += properties(lines.get(used + 1..).unwrap_or_default(), around);
            }
        } else if let Some((text, suppressed)) = cause(line) {
            parts.push(Part { text: head(text).0, own: None, suppressed });
            current = parts.len() - 1;
        } else if trimmed.starts_with("--- End of inner") {
            current = current.saturating_sub(1);
        } else if !(trimmed == "}"
            || trimmed.starts_with("--- End of")
            || (trimmed.starts_with("... ") && trimmed.contains("more"))
            || (trimmed.starts_with("... ") && trimmed.contains("frames")))
        {
            // A message of several lines goes on until its first frame.
            let message = parts.last().is_some_and(|part| part.own.is_none());
            let soon = lines.iter().skip(used + 1).take(MESSAGE).any(|l| frame(l).is_some());
            if !(message && indented(line) && soon && current + 1 == parts.len()) {
                break;
            }
            around.push(trimmed.to_owned());
        }
        used += 1;
    }
    Some(used.min(lines.len()))
}

/// The properties of an error of Node, up to the closing brace or a cause among them; the address and the code are worth
/// keeping.
fn properties(lines: &[String], around: &mut Vec<String>) -> usize {
    let ends = |line: &String| line.trim_start().starts_with('}') || cause(line).is_some();
    let Some(end) = lines.iter().take(PROPERTIES).position(ends) else { return 0 };
    for line in lines.get(..end).unwrap_or_default() {
        let line = line.trim().trim_end_matches(',');
        if ["code:", "address:", "port:", "path:", "hostname:"].iter().any(|key| line.starts_with(key)) {
            around.push(line.replace(['\'', '"'], "").replace(": ", "="));
        }
    }
    end
}

fn condensed(parts: Vec<Part>, mut around: Vec<String>, level: super::Level) -> Option<Trace> {
    let innermost = parts.iter().rposition(|part| !part.suppressed && !part.text.is_empty())?;
    // Where the innermost one has only frames of libraries, the nearest frame around it is the application's.
    let frame = parts.iter().take(innermost + 1).rev().find_map(|part| part.own.clone());
    let text = parts.get(innermost)?.text.clone();
    around.extend(
        parts.into_iter().enumerate().filter(|(i, p)| *i != innermost && !p.text.is_empty()).map(|(_, p)| p.text),
    );
    Some(Trace { text, frame, around: around.join("; "), level })
}

/// `Exception in thread "main" x.Y: z` is about `x.Y: z`.
fn strip_thread(text: &str) -> &str {
    let rest = text.strip_prefix("Exception in thread \"").and_then(|rest| rest.split_once("\" "));
    let text = rest.map_or(text, |(_, rest)| rest);
    let text = text.strip_prefix("Unhandled exception. ").unwrap_or(text);
    text.strip_prefix("Uncaught ").unwrap_or(text)
}

/// Whether a text has the name of an exception in it: `ConnectException`, or `Error:`, but not the word "Error" alone.
fn names_exception(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let name = word.trim_end_matches(':');
        let begins = word.chars().next().is_some_and(char::is_alphabetic);
        let told = |end: &str| name.ends_with(end) && (name.len() > end.len() || word.ends_with(':'));
        begins && ["Exception", "Error", "Throwable"].into_iter().any(told)
    })
}

/// What a line names as the cause, and whether it was only suppressed.
fn cause(line: &str) -> Option<(&str, bool)> {
    let line = line.trim_start();
    for (begin, suppressed) in [("Caused by: ", false), ("---> ", false), ("[cause]: ", false), ("Suppressed: ", true)]
    {
        if let Some(text) = line.strip_prefix(begin) {
            return Some((text.trim_end_matches('{').trim(), suppressed));
        }
    }
    None
}

/// The place of a frame, and whether it is in a library.
fn frame(line: &str) -> Option<(String, bool)> {
    if !indented(line) {
        return None;
    }
    let rest = line.trim().strip_prefix("at ")?.trim_end_matches('{').trim();
    // Logback says which archive a class is from.
    let rest = rest.split(" ~[").next().unwrap_or(rest).split(" [").next().unwrap_or(rest).trim();
    if let Some((_, place)) = rest.rsplit_once(" in ").filter(|(_, place)| place.contains(":line ")) {
        return Some((place.replace(":line ", ":"), library(rest)));
    }
    let numbered = |text: &str| {
        let mut parts = text.rsplit(':');
        let digits = |part: Option<&str>| part.is_some_and(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit()));
        digits(parts.next()) && digits(parts.next())
    };
    let inner = rest.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    // Node: `at connect (/app/db.js:10:5)`, or without a name.
    let place = inner.map_or(rest, |(_, place)| place);
    if numbered(place) {
        let place = place.rsplit_once(':').map_or(place, |(place, _)| place);
        let ours = !["node:", "internal/", "node_modules/"].iter().any(|part| place.contains(part));
        return Some((place.trim_start_matches("file://").to_owned(), !ours));
    }
    // Java: `at com.acme.Db.connect(Db.java:42)`; .NET without symbols: `at Acme.Db.Connect(String host)`.
    let (name, _) = inner?;
    (name.contains('.') && !name.trim().contains(' ') || name.contains("<anonymous>"))
        .then(|| (rest.rsplit('/').next().unwrap_or(rest).to_owned(), library(rest)))
}

/// Whether a class is one of the platform or of a framework that everybody uses.
fn library(frame: &str) -> bool {
    const BEGINS: [&str; 46] = [
        "java.",
        "javax.",
        "jdk.",
        "sun.",
        "com.sun.",
        "kotlin.",
        "kotlinx.",
        "scala.",
        "akka.",
        "jakarta.",
        "org.springframework.",
        "org.apache.",
        "org.hibernate.",
        "org.postgresql.",
        "org.eclipse.",
        "org.jboss.",
        "org.mongodb.",
        "org.redisson.",
        "org.slf4j.",
        "org.flywaydb.",
        "org.mariadb.",
        "org.junit.",
        "com.zaxxer.",
        "com.mysql.",
        "com.fasterxml.",
        "com.google.",
        "com.mongodb.",
        "com.rabbitmq.",
        "com.netflix.",
        "io.netty.",
        "io.grpc.",
        "io.quarkus.",
        "io.micronaut.",
        "io.lettuce.",
        "io.vertx.",
        "io.micrometer.",
        "ch.qos.",
        "okhttp3.",
        "reactor.",
        "redis.clients.",
        "liquibase.",
        "System.",
        "Microsoft.",
        "Npgsql.",
        "StackExchange.",
        "async System.",
    ];
    // Java modules stand before the class: `java.base/java.net.Socket.connect(…)`.
    let class = frame.split('(').next().unwrap_or(frame).rsplit('/').next().unwrap_or(frame);
    BEGINS.iter().any(|begin| class.starts_with(begin) || frame.starts_with(begin))
}
