//! Values of flags and of the environment: an empty one is none, a wrong one is refused with its name and the remedy.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// A value that may be empty: the operator writes every variable that it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T>(pub Option<T>);

/// What was given, if it was.
pub trait OrNone<T> {
    /// The value.
    fn given(&self) -> Option<T>;
}

impl<T: Clone> OrNone<T> for Option<Given<T>> {
    fn given(&self) -> Option<T> {
        self.as_ref().and_then(|given| given.0.clone())
    }
}

/// A whole number of a range.
pub fn number<T>(variable: &'static str, range: RangeInclusive<T>) -> impl Fn(&str) -> Result<Given<T>, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let text = text.trim();
        // A Service called chatcli-server makes Kubernetes put its own address into CHATCLI_SERVER_PORT of every pod beside it.
        if text.is_empty() || text.starts_with("tcp://") {
            return Ok(Given(None));
        }
        text.parse().ok().filter(|value| range.contains(value)).map(|value| Given(Some(value))).ok_or_else(|| {
            format!(
                "(or {variable}) it is no whole number from {} to {}; remedy: choose one, or leave it out",
                range.start(),
                range.end()
            )
        })
    }
}

/// Any text on one line.
pub fn text(text: &str) -> Result<Given<String>, String> {
    let text = text.trim();
    if text.contains(char::is_control) {
        return Err("it has more than one line; remedy: write it on one line, or leave it out".to_owned());
    }
    Ok(Given(Some(text.to_owned()).filter(|text| !text.is_empty())))
}

/// Yes or no.
pub fn truth(variable: &'static str) -> impl Fn(&str) -> Result<bool, String> + Clone {
    move |text| match text.trim().to_ascii_lowercase().as_str() {
        "" | "false" | "0" | "no" | "off" => Ok(false),
        "true" | "1" | "yes" | "on" => Ok(true),
        _ => Err(format!("(or {variable}) it is neither true nor false; remedy: write true or false, or leave it out")),
    }
}

/// An amount of time with its unit, as Alertmanager writes them: a minute at least, a month at most.
pub fn duration(variable: &'static str) -> impl Fn(&str) -> Result<Given<SignedDuration>, String> + Clone {
    move |text| {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Given(None));
        }
        let days = SpanRelativeTo::days_are_24_hours();
        let known = text.parse::<Span>().ok().and_then(|span| span.to_duration(days).ok());
        let sane = SignedDuration::from_mins(1)..=SignedDuration::from_hours(31 * 24);
        known.filter(|time| sane.contains(time)).map(|time| Given(Some(time))).ok_or_else(|| {
            format!("(or {variable}) it is no time from 1m to 31d; remedy: write one with its unit, such as 4h, or leave it out")
        })
    }
}

/// An IP address without a port.
pub fn address(text: &str) -> Result<Given<std::net::IpAddr>, String> {
    match text.trim() {
        "" => Ok(Given(None)),
        "localhost" => Ok(Given(Some(std::net::Ipv4Addr::LOCALHOST.into()))),
        text => text.parse().map(|address| Given(Some(address))).map_err(|_| {
            "(or CHATCLI_BIND_ADDRESS) it is no IP address; remedy: write one without a port, such as 0.0.0.0"
                .to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_none_and_wrong_is_named() {
        let port = number("CHATCLI_SERVER_PORT", 1..=65_535_u16);
        assert_eq!(port(" "), Ok(Given(None)));
        assert_eq!(port("tcp://10.0.0.1:50051"), Ok(Given(None)));
        assert_eq!(port("7"), Ok(Given(Some(7))));
        for wrong in ["0", "65536", "-1", "x", "7.0"] {
            let said = port(wrong).unwrap_err();
            assert!(said.contains("CHATCLI_SERVER_PORT") && said.contains("remedy"), "{said}");
        }
        assert_eq!((truth("X")("TRUE"), truth("X")(""), truth("X")("no")), (Ok(true), Ok(false), Ok(false)));
        assert!(truth("X")("maybe").unwrap_err().contains("remedy"));
        assert_eq!(address("localhost").unwrap().0.unwrap().to_string(), "127.0.0.1");
        assert_eq!((text(" a\n"), text("")), (Ok(Given(Some("a".into()))), Ok(Given(None))));
        assert!(text("a\nb").unwrap_err().contains("remedy"));
        assert!(address("0.0.0.0:1").unwrap_err().contains("without a port"));
        let time = |text: &str| duration("X")(text).map(|given| given.0.map(|time| time.as_mins()));
        assert_eq!(
            (time(""), time("4h"), time("1d"), time("1h30m")),
            (Ok(None), Ok(Some(240)), Ok(Some(1440)), Ok(Some(90)))
        );
        for wrong in ["4", "h", "0s", "-4h", "30s", "60d", "soon"] {
            assert!(time(wrong).unwrap_err().contains("remedy"), "{wrong}");
        }
    }
}
