//! Configuration from the environment. A wrong value ends the service at start, with the key in the log.

use std::path::PathBuf;
use std::time::Duration;

/// How the service runs.
pub struct Config {
    /// Its name.
    pub service: String,
    /// Port it listens on.
    pub port: u16,
    /// `host:port` of the services that it calls.
    pub upstreams: Vec<String>,
    /// How long a call may take.
    pub timeout: Duration,
    /// Folder of the backlog.
    pub spool: PathBuf,
}

impl Config {
    /// Reads it through `get`.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |key: &str, default: u32, max: u32| match get(key) {
            None => Ok(default),
            Some(text) => text
                .parse::<u32>()
                .ok()
                .filter(|value| (1..=max).contains(value))
                .ok_or_else(|| format!("{key}={text} is not a number from 1 to {max}")),
        };
        Ok(Self {
            service: get("SERVICE").unwrap_or_else(|| "demo-service".to_owned()),
            port: u16::try_from(number("PORT", 8080, 65_535)?).unwrap_or(8080),
            upstreams: get("UPSTREAMS")
                .unwrap_or_default()
                .split(',')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
            timeout: Duration::from_millis(number("PAYMENT_TIMEOUT_MS", 500, 60_000)?.into()),
            spool: get("SPOOL").unwrap_or_else(|| "/var/spool/shop".to_owned()).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn a_wrong_value_is_named() {
        let config =
            |value: &'static str| Config::read(move |key| (key == "PAYMENT_TIMEOUT_MS").then(|| value.to_owned()));
        assert_eq!(config("250").unwrap().timeout.as_millis(), 250);
        let error = config("fast").err().unwrap();
        assert!(error.contains("PAYMENT_TIMEOUT_MS=fast"), "{error}");
        assert!(config("0").is_err());
    }
}
