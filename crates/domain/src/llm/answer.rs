//! From what a language model wrote to types: tolerant of its manners, strict about meaning.

use std::collections::BTreeMap;

use api::shared::CauseClass;
use serde::de::{DeserializeOwned, IntoDeserializer, value::StrDeserializer};
use serde_json::{Map, Value};

use super::prompt::CLASSES;
use super::{Answer, SaidAction};

/// Longest text that is taken over.
const TEXT: usize = 6000;
/// Entries of a list that are taken over.
const ENTRIES: usize = 10;
/// Longest entry.
const ENTRY: usize = 600;

/// Reads an answer. The error says what is missing, in words that a model understands.
pub fn parse(text: &str) -> Result<Answer, String> {
    let Some(object) = find(text) else {
        return Err(if text.trim().is_empty() { "it is empty".into() } else { "it contains no JSON object".into() });
    };
    // Some wrap everything in one more object.
    let inner = ["analysis", "result", "answer", "response"].into_iter().find_map(|key| object.get(key)?.as_object());
    let fields = match inner {
        Some(inner) if field(&object, &["explanation", "statement", "root_cause"]).is_none() => inner,
        _ => &object,
    };
    let statement = text_of(fields, &["statement", "root_cause", "cause", "summary"]);
    let explanation = text_of(fields, &["explanation", "analysis", "reasoning", "details"]);
    let Some(explanation) = explanation.or_else(|| statement.clone()) else {
        return Err("it has neither the field \"explanation\" nor \"statement\"".into());
    };
    Ok(Answer {
        class: field(fields, &["class", "cause_class", "category"]).and_then(Value::as_str).and_then(class),
        confidence: field(fields, &["confidence", "confidence_score"]).and_then(confidence),
        log_analysis: text_of(fields, &["log_analysis", "logs"]),
        recommendations: list(field(fields, &["recommendations", "recommendation", "advice"])),
        actions: actions(field(fields, &["actions", "suggested_actions", "action"])),
        statement: statement.map(|text| clip(text.lines().next().unwrap_or_default(), ENTRY)),
        explanation,
    })
}

/// The first JSON object in a text that has fields; also one that was written with commas too many.
fn find(text: &str) -> Option<Map<String, Value>> {
    // What a model thought aloud is no answer.
    let text = text.rsplit_once("</think>").map_or(text, |(_, answer)| answer);
    let starts = text.match_indices('{').map(|(at, _)| at).take(200);
    let mut end = 0;
    for start in starts {
        // What lies inside of something that was looked at already is a part of it.
        if start < end {
            continue;
        }
        let Some(candidate) = text.get(start..).and_then(balanced) else { continue };
        let read = serde_json::from_str(candidate).ok().or_else(|| serde_json::from_str(&mended(candidate)).ok());
        if let Some(Value::Object(object)) = read {
            if !object.is_empty() {
                return Some(object);
            }
            end = start + candidate.len();
        }
    }
    None
}

/// From an opening brace to the one that closes it, outside of strings.
fn balanced(text: &str) -> Option<&str> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return text.get(..=at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Without commas before a closing bracket, and with the line ends in strings written as JSON wants them.
fn mended(text: &str) -> String {
    let (mut out, mut quoted, mut escaped) = (String::with_capacity(text.len()), false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '\n' if quoted => {
                out.push_str("\\n");
                continue;
            }
            '}' | ']' if !quoted => {
                let end = out.trim_end();
                if let Some(before) = end.strip_suffix(',') {
                    out.truncate(before.len());
                }
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// A name without what spellings differ in.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

fn field<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| {
        let wanted = plain(name);
        object.iter().find(|(key, value)| plain(key) == wanted && !value.is_null()).map(|(_, value)| value)
    })
}

fn clip(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(most).collect::<String>())
    }
}

fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(bool) => bool.to_string(),
        Value::Array(entries) => entries.iter().filter_map(text).collect::<Vec<_>>().join("\n"),
        Value::Object(object) => {
            text_of(object, &["statement", "description", "text", "summary", "message", "recommendation", "title"])?
        }
        Value::Null => return None,
    };
    let text = clip(&text, TEXT);
    (!text.is_empty()).then_some(text)
}

fn text_of(object: &Map<String, Value>, names: &[&str]) -> Option<String> {
    field(object, names).and_then(text)
}

fn list(value: Option<&Value>) -> Vec<String> {
    let entries: Vec<String> = match value {
        Some(Value::Array(entries)) => entries.iter().filter_map(text).collect(),
        Some(Value::String(text)) => text.lines().map(|l| l.trim_start_matches(['-', '*', ' ']).to_owned()).collect(),
        Some(other) => text(other).into_iter().collect(),
        None => Vec::new(),
    };
    entries.iter().map(|e| clip(e, ENTRY)).filter(|e| !e.is_empty()).take(ENTRIES).collect()
}

/// A number from 0 to 1, also as text or in percent. Anything else is no confidence: it is never made up.
fn confidence(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
            None => text.trim().parse().ok()?,
        },
        _ => return None,
    };
    (number.is_finite() && (0.0..=1.0).contains(&number)).then_some(number)
}

fn class(said: &str) -> Option<CauseClass> {
    let said = plain(said);
    let name = CLASSES.into_iter().find(|name| plain(name) == said)?;
    variant(name)
}

/// A unit variant by its exact name.
pub(super) fn variant<T: DeserializeOwned>(name: &str) -> Option<T> {
    let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
    T::deserialize(name).ok()
}

fn actions(value: Option<&Value>) -> Vec<SaidAction> {
    let entries = match value {
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => return Vec::new(),
    };
    entries.iter().filter_map(action).take(ENTRIES).collect()
}

fn action(value: &Value) -> Option<SaidAction> {
    let object = value.as_object()?;
    let action = text_of(object, &["action", "type", "action_type"]);
    let name = text_of(object, &["name", "title"]);
    let action = action.or_else(|| name.clone())?;
    Some(SaidAction {
        name: clip(&name.unwrap_or_else(|| action.clone()), ENTRY),
        action: clip(&action, 100),
        description: clip(&text_of(object, &["description", "reason", "why", "rationale"]).unwrap_or_default(), ENTRY),
        params: params(field(object, &["params", "parameters", "arguments", "args"])),
    })
}

/// Parameters as an object, or as a list of names and values. Values are taken as they are: spaces may matter.
fn params(value: Option<&Value>) -> BTreeMap<String, String> {
    let raw = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    match value {
        Some(Value::Object(object)) => {
            object.iter().filter_map(|(name, value)| Some((name.clone(), raw(value)?))).collect()
        }
        Some(Value::Array(entries)) => entries
            .iter()
            .filter_map(|entry| {
                let entry = entry.as_object()?;
                Some((text_of(entry, &["name", "key"])?, raw(field(entry, &["value"])?)?))
            })
            .collect(),
        _ => BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"{"statement":"The image is missing","class":"ImageNotFound","explanation":"Because.","confidence":0.8,
        "log_analysis":null,"recommendations":["Push it"],"actions":[{"action":"RollbackDeployment","name":"Back",
        "description":"It worked","params":[{"name":"toRevision","value":"3"}]}]}"#;

    #[test]
    fn a_good_answer_is_read_also_with_prose_and_fences_around_it() {
        let good = parse(GOOD).unwrap();
        assert_eq!(good.class, Some(CauseClass::ImageNotFound));
        assert_eq!(good.confidence, Some(0.8));
        assert_eq!(good.actions.len(), 1);
        assert_eq!(good.actions[0].params["toRevision"], "3");
        assert_eq!(good.log_analysis, None);
        for text in [
            format!("Here is my analysis {{as asked}}:\n```json\n{GOOD}\n```\nHope that helps!"),
            format!("<think>maybe {{\"statement\":\"wrong\"}}</think>{GOOD}"),
            format!("{{}} {GOOD}"),
            format!("{{\"analysis\":{GOOD}}}"),
            GOOD.replace("\"Push it\"]", "\"Push it\",]").replace("}]}]}", "}],},],}"),
        ] {
            assert_eq!(parse(&text), Ok(good.clone()), "{text}");
        }
    }

    #[test]
    fn numbers_as_text_other_spellings_and_unknown_fields_are_taken() {
        let said = parse(
            r#"{"Root Cause":"x","analysis":["a","b"],"Confidence":"75%","class":"out_of_memory","mood":{"a":1},
            "recommendations":"- one\n- two","suggested_actions":{"type":"scale deployment","parameters":{"replicas":3,"containment":false}}}"#,
        )
        .unwrap();
        assert_eq!(said.statement.as_deref(), Some("x"));
        assert_eq!(said.explanation, "a\nb");
        assert_eq!(said.confidence, Some(0.75));
        assert_eq!(said.class, Some(CauseClass::OutOfMemory));
        assert_eq!(said.recommendations, ["one", "two"]);
        assert_eq!(said.actions[0].action, "scale deployment");
        assert_eq!(said.actions[0].params["replicas"], "3");
        assert_eq!(said.actions[0].params["containment"], "false");
        let text = "{\"explanation\":\"two\nlines\"}";
        assert_eq!(parse(text).unwrap().explanation, "two\nlines");
    }

    #[test]
    fn a_confidence_is_never_made_up() {
        for said in ["null", "\"high\"", "\"\"", "7", "-0.1", "[]", "true", "\"NaN\"", "\"120%\"", "1e999"] {
            let text = format!("{{\"explanation\":\"x\",\"confidence\":{said}}}");
            assert_eq!(parse(&text).ok().and_then(|a| a.confidence), None, "{said}");
        }
        assert_eq!(parse("{\"explanation\":\"x\"}").unwrap().confidence, None);
    }

    #[test]
    fn what_is_no_answer_says_why() {
        for (text, why) in [
            ("", "empty"),
            ("I am sorry.", "no JSON object"),
            ("{\"explanation\":", "no JSON object"),
            ("{\"mood\":1}", "neither"),
            ("[1]", "no JSON object"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "([{}\\[\\]\",:\\\\ \n]|[a-z]|\"explanation\"|\"actions\":|[0-9]){0,80}") {
            let _ = parse(&text);
        }
    }
}
