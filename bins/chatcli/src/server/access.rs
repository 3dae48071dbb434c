//! Who may call: the token, the certificate, and the refusal to stand open by mistake.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use grpc::{Tls, Token};
use tokio_util::sync::CancellationToken;

/// How often the token file is read again: a Secret that was rotated holds without a restart.
const REREAD: Duration = Duration::from_secs(10);

/// Flags of the access.
#[derive(clap::Args, Debug)]
pub struct Flags {
    /// File with the bearer token that callers must show; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// PEM file with the certificate of the gRPC port
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with its key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serve addresses other than loopback without a token: only where something else guards the port
    #[arg(long, conflicts_with = "token_file")]
    pub insecure_no_auth: bool,
}

/// What the flags say.
pub struct Access {
    /// The token; without it everybody is let in who reaches the port.
    pub token: Option<Token>,
    /// Certificate and key.
    pub tls: Option<Tls>,
}

impl Flags {
    /// Reads the files, and refuses an open port that nobody asked for.
    ///
    /// # Errors
    /// Names the flag, what is wrong and what mends it.
    pub fn read(&self, bind: SocketAddr) -> anyhow::Result<Access> {
        let token = match &self.token_file {
            Some(file) => Some(read_token(file)?),
            None => None,
        };
        if token.is_none() && !bind.ip().is_loopback() {
            if !self.insecure_no_auth {
                bail!(
                    "--bind {bind} can be reached from other machines, and there is no --token-file: anybody could read the alerts; remedy: give --token-file FILE, bind 127.0.0.1, or give --insecure-no-auth where something else guards the port"
                );
            }
            tracing::warn!(%bind, "anybody who reaches the port may call: --insecure-no-auth was given");
        }
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(Tls { certificate: read("--tls-cert", certificate)?, key: read("--tls-key", key)? })
            }
            _ => None,
        };
        if tls.is_none() && token.is_some() && !bind.ip().is_loopback() {
            tracing::warn!(%bind, "the token crosses the network in the clear; remedy: give --tls-cert and --tls-key");
        }
        Ok(Access { token, tls })
    }
}

fn read(flag: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        anyhow!("{flag} {} cannot be read: {error}; remedy: check the path and its permissions", file.display())
    })
}

fn read_token(file: &Path) -> anyhow::Result<Token> {
    let text = String::from_utf8(read("--token-file", file)?).ok();
    let token = text.and_then(|text| Token::new(&text).ok());
    token.with_context(|| {
        format!("--token-file {} holds no token; remedy: write one line of text into it", file.display())
    })
}

/// Puts the content of the file in the token's place whenever it changes. While the file cannot be used, the last one holds.
pub async fn follow(file: PathBuf, token: Token, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
    let mut complained = false;
    while stop.run_until_cancelled(tokio::time::sleep(REREAD)).await.is_some() {
        let problem = reread(&file, &token).err();
        if let Some(why) = &problem
            && !complained
        {
            tracing::warn!("{why}; the last token still holds");
        }
        complained = problem.is_some();
    }
    Ok(())
}

/// Whether the file holds another token now, which then holds.
fn reread(file: &Path, token: &Token) -> Result<bool, String> {
    let problem = |why: String| format!("the token file {} cannot be used: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| problem(error.to_string()))?;
    let changed = token.replace(&text).map_err(|empty| problem(empty.to_string()))?;
    if changed {
        tracing::info!(file = %file.display(), "the token has changed; the new one holds");
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Flags {
        Flags { token_file: None, tls_cert: None, tls_key: None, insecure_no_auth: false }
    }

    fn refusal(flags: &Flags, bind: &str) -> String {
        format!("{:#}", flags.read(bind.parse().unwrap()).err().expect("it was taken"))
    }

    fn file(name: &str, content: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("chatcli-access-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn only_loopback_is_open_without_a_token() {
        for bind in ["127.0.0.1:1", "[::1]:1"] {
            assert!(flags().read(bind.parse().unwrap()).is_ok(), "{bind}");
        }
        for bind in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1"] {
            let said = refusal(&flags(), bind);
            assert!(said.contains(bind) && said.contains("--token-file") && said.contains("remedy"), "{said}");
        }
        let open = Flags { insecure_no_auth: true, ..flags() };
        assert!(open.read("0.0.0.0:1".parse().unwrap()).is_ok());
        let token = Flags { token_file: Some(file("good", "t\n")), ..flags() };
        assert!(token.read("0.0.0.0:1".parse().unwrap()).unwrap().token.is_some());
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let missing = Flags { token_file: Some("/nowhere/token".into()), ..flags() };
        assert!(refusal(&missing, "127.0.0.1:1").contains("/nowhere/token"));
        let empty = Flags { token_file: Some(file("empty", " \n")), ..flags() };
        assert!(refusal(&empty, "127.0.0.1:1").contains("holds no token"));
        let tls = Flags { tls_cert: Some("/nowhere/crt".into()), tls_key: Some("/nowhere/key".into()), ..flags() };
        assert!(refusal(&tls, "127.0.0.1:1").contains("--tls-cert /nowhere/crt"));
    }

    #[test]
    fn a_rotated_token_holds_and_a_lost_file_changes_nothing() {
        let path = file("rotated", "old");
        let token = read_token(&path).unwrap();
        assert_eq!(reread(&path, &token), Ok(false));
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(reread(&path, &token), Ok(true));
        std::fs::write(&path, "").unwrap();
        assert!(reread(&path, &token).unwrap_err().contains("empty"));
        std::fs::remove_file(&path).unwrap();
        assert!(reread(&path, &token).unwrap_err().contains("rotated"));
        assert_eq!(token.replace("new"), Ok(false));
    }
}
