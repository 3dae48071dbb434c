//! Logs: text for people, JSON for collectors.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One readable line.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error. `filter` has the form of `RUST_LOG`, for example `info,kube=warn`.
///
/// # Errors
/// When the filter cannot be read.
pub fn init(format: Format, filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        Format::Text => registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(false)).try_init(),
        Format::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
    Ok(())
}
