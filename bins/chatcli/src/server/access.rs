//! Who may call: the token, JWTs, the certificate, and the refusal to stand open by mistake.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use grpc::{Access, Jwt, Tls, Token};

use super::files::{Reload, read};
use super::flags::{Given, OrNone, text, truth};

/// Flags of the access.
#[derive(clap::Args, Debug, Default)]
#[group(skip)]
pub struct Flags {
    /// File with the bearer token that callers must show; read again when it changes
    #[arg(long, env = "CHATCLI_SERVER_TOKEN_FILE", value_name = "FILE", value_parser = text)]
    pub token_file: Option<Given<String>>,
    /// The token itself; a file is better, because it can change
    #[arg(long, hide = true, env = "CHATCLI_SERVER_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// File with the secret of JWTs that are signed with HS256; read again when it changes
    #[arg(long, env = "CHATCLI_JWT_SECRET_FILE", value_name = "FILE", value_parser = text)]
    pub jwt_secret_file: Option<Given<String>>,
    /// The secret itself; a file is better, because it can change
    #[arg(long, hide = true, env = "CHATCLI_JWT_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub jwt_secret: Option<String>,
    /// JSON Web Key Set with the public keys of JWTs that are signed with RS256; read again when it changes
    #[arg(long, env = "CHATCLI_JWKS_FILE", value_name = "FILE", value_parser = text)]
    pub jwks_file: Option<Given<String>>,
    /// Issuer that JWTs must name
    #[arg(long, env = "CHATCLI_JWT_ISSUER", value_name = "ISS", value_parser = text)]
    pub jwt_issuer: Option<Given<String>>,
    /// Audience that JWTs must name
    #[arg(long, env = "CHATCLI_JWT_AUDIENCE", value_name = "AUD", value_parser = text)]
    pub jwt_audience: Option<Given<String>>,
    /// PEM file with the certificate of the gRPC port; read again when it changes
    #[arg(long, env = "CHATCLI_TLS_CERT", value_name = "FILE", value_parser = text)]
    pub tls_cert: Option<Given<String>>,
    /// PEM file with its key
    #[arg(long, env = "CHATCLI_TLS_KEY", value_name = "FILE", value_parser = text)]
    pub tls_key: Option<Given<String>>,
    /// Refuse to start without a certificate
    #[arg(long, env = "CHATCLI_TLS_REQUIRED", value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = truth("CHATCLI_TLS_REQUIRED"))]
    pub tls_required: bool,
    /// Serve addresses other than loopback without a token: only where something else guards the port
    #[arg(long)]
    pub insecure_no_auth: bool,
}

/// What the flags say.
pub struct Guard {
    /// Who is let in.
    pub access: Access,
    /// Certificate and key.
    pub tls: Option<Tls>,
    /// What is read again.
    pub reloads: Vec<(&'static str, Reload)>,
}

impl Flags {
    /// Reads the files, and refuses an open port that nobody asked for.
    ///
    /// # Errors
    /// Names the flag, what is wrong and what mends it.
    pub fn read(&self, bind: SocketAddr) -> anyhow::Result<Guard> {
        let mut reloads = Vec::new();
        let token = self.shared_token(&mut reloads)?;
        let jwt = self.jwt(&mut reloads)?;
        let access = Access { token, jwt };
        if access.is_guarded() && self.insecure_no_auth {
            bail!("--insecure-no-auth was given, and a token or JWT secret too; remedy: leave one of them out");
        }
        if !access.is_guarded() && !bind.ip().is_loopback() {
            if !self.insecure_no_auth {
                bail!(
                    "{bind} can be reached from other machines, and there is neither --token-file (CHATCLI_SERVER_TOKEN_FILE) nor --jwt-secret-file (CHATCLI_JWT_SECRET_FILE): anybody could read the alerts; remedy: give one of them, bind 127.0.0.1, or give --insecure-no-auth where something else guards the port"
                );
            }
            tracing::warn!(%bind, "anybody who reaches the port may call: --insecure-no-auth was given");
        }
        let tls = self.tls(&mut reloads)?;
        if tls.is_none() && self.tls_required {
            bail!(
                "CHATCLI_TLS_REQUIRED is true, and there is no certificate; remedy: give --tls-cert and --tls-key, or set it to false"
            );
        }
        if tls.is_none() && access.is_guarded() && !bind.ip().is_loopback() {
            tracing::warn!(%bind, "the token crosses the network in the clear; remedy: give --tls-cert and --tls-key");
        }
        Ok(Guard { access, tls, reloads })
    }

    fn shared_token(&self, reloads: &mut Vec<(&'static str, Reload)>) -> anyhow::Result<Option<Token>> {
        if let Some(file) = self.token_file.given().map(PathBuf::from) {
            let token = Token::new(&token_in(&file)?).map_err(|error| no_token(&file, &error))?;
            let holds = token.clone();
            let again = move || holds.replace(&token_in(&file)?).map_err(|error| no_token(&file, &error));
            reloads.push(("token", Box::new(again)));
            return Ok(Some(token));
        }
        let Some(text) = &self.token else { return Ok(None) };
        let token = Token::new(text);
        Ok(Some(
            token.context("CHATCLI_SERVER_TOKEN cannot be used; remedy: write the token into it, or leave it out")?,
        ))
    }

    fn jwt(&self, reloads: &mut Vec<(&'static str, Reload)>) -> anyhow::Result<Option<Jwt>> {
        const SECRET: &str = "--jwt-secret-file (CHATCLI_JWT_SECRET_FILE)";
        const KEYS: &str = "--jwks-file (CHATCLI_JWKS_FILE)";
        let jwt = Jwt::new(self.jwt_issuer.given(), self.jwt_audience.given());
        let mut some = false;
        if let Some(file) = self.jwt_secret_file.given().map(PathBuf::from) {
            let jwt = jwt.clone();
            let load = move || {
                jwt.set_secret(&read(SECRET, &file)?).map_err(|why| {
                    anyhow!("{SECRET} {} cannot be used: {why}; remedy: write the secret into it", file.display())
                })
            };
            load()?;
            reloads.push(("JWT secret", Box::new(load)));
            some = true;
        } else if let Some(secret) = &self.jwt_secret {
            jwt.set_secret(secret.as_bytes())
                .context("CHATCLI_JWT_SECRET cannot be used; remedy: write the secret into it, or leave it out")?;
            some = true;
        }
        if let Some(file) = self.jwks_file.given().map(PathBuf::from) {
            let jwt = jwt.clone();
            let load = move || {
                let bytes = read(KEYS, &file)?;
                let set = String::from_utf8_lossy(&bytes);
                jwt.set_keys(&set).map_err(|why| {
                    anyhow!(
                        "{KEYS} {} cannot be used: {why}; remedy: write the key set of the issuer into it",
                        file.display()
                    )
                })
            };
            load()?;
            reloads.push(("JWT key set", Box::new(load)));
            some = true;
        }
        if !some && (self.jwt_issuer.given().is_some() || self.jwt_audience.given().is_some()) {
            bail!(
                "CHATCLI_JWT_ISSUER or CHATCLI_JWT_AUDIENCE is set, and no key of JWTs; remedy: give {SECRET} or {KEYS}, or leave them out"
            );
        }
        Ok(some.then_some(jwt))
    }

    fn tls(&self, reloads: &mut Vec<(&'static str, Reload)>) -> anyhow::Result<Option<Tls>> {
        let (certificate, key) = match (self.tls_cert.given(), self.tls_key.given()) {
            (Some(certificate), Some(key)) => (PathBuf::from(certificate), PathBuf::from(key)),
            (None, None) => return Ok(None),
            (Some(_), None) => bail!("--tls-cert was given without --tls-key; remedy: give the key too"),
            (None, Some(_)) => bail!("--tls-key was given without --tls-cert; remedy: give the certificate too"),
        };
        let both = move || -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
            Ok((read("--tls-cert", &certificate)?, read("--tls-key", &key)?))
        };
        // As chatcli 1.188 says it, for the sake of those who look for it.
        let refused = |error| anyhow!("TLS certificate load failed: {error} (--tls-cert, --tls-key)");
        let mut last = both()?;
        let tls = Tls::new(&last.0, &last.1).map_err(refused)?;
        let holds = tls.clone();
        let again = move || {
            let now = both()?;
            if now == last {
                return Ok(false);
            }
            let changed = holds.replace(&now.0, &now.1).map_err(refused)?;
            last = now;
            Ok(changed)
        };
        reloads.push(("certificate", Box::new(again)));
        Ok(Some(tls))
    }
}

fn token_in(file: &Path) -> anyhow::Result<String> {
    let bytes = read("--token-file (CHATCLI_SERVER_TOKEN_FILE)", file)?;
    String::from_utf8(bytes).map_err(|error| no_token(file, &error))
}

fn no_token(file: &Path, why: &dyn std::fmt::Display) -> anyhow::Error {
    anyhow!(
        "--token-file (CHATCLI_SERVER_TOKEN_FILE) {} holds no token: {why}; remedy: write one line of text into it",
        file.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(flags: &Flags, bind: &str) -> String {
        format!("{:#}", flags.read(bind.parse().unwrap()).err().expect("it was taken"))
    }

    fn file(name: &str, content: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("chatcli-access-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    #[allow(clippy::unnecessary_wraps, reason = "as the fields are")]
    fn given(path: &Path) -> Option<Given<String>> {
        Some(Given(Some(path.display().to_string())))
    }

    #[test]
    fn only_loopback_is_open_without_a_token() {
        for bind in ["127.0.0.1:1", "[::1]:1"] {
            assert!(Flags::default().read(bind.parse().unwrap()).is_ok(), "{bind}");
        }
        for bind in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1"] {
            let said = refusal(&Flags::default(), bind);
            assert!(said.contains(bind) && said.contains("--token-file") && said.contains("remedy"), "{said}");
        }
        let open = Flags { insecure_no_auth: true, ..Flags::default() };
        assert!(open.read("0.0.0.0:1".parse().unwrap()).is_ok());
        let token = Flags { token_file: given(&file("good", "t\n")), ..Flags::default() };
        assert!(token.read("0.0.0.0:1".parse().unwrap()).unwrap().access.token.is_some());
        let jwt = Flags { jwt_secret_file: given(&file("jwt", "s")), ..Flags::default() };
        assert!(jwt.read("0.0.0.0:1".parse().unwrap()).unwrap().access.jwt.is_some());
    }

    #[test]
    fn what_cannot_be_used_is_named_with_the_remedy() {
        let nowhere = || Some(Given(Some("/nowhere/x".to_owned())));
        let (empty, text) = (file("empty", " \n"), file("text", "no pem"));
        let rsa = file("set", r#"{"keys":[]}"#);
        for (flags, name) in [
            (Flags { token_file: nowhere(), ..Flags::default() }, "CHATCLI_SERVER_TOKEN_FILE"),
            (Flags { token_file: given(&empty), ..Flags::default() }, "holds no token"),
            (Flags { token: Some(String::new()), ..Flags::default() }, "CHATCLI_SERVER_TOKEN"),
            (Flags { jwt_secret_file: nowhere(), ..Flags::default() }, "CHATCLI_JWT_SECRET_FILE"),
            (Flags { jwt_secret_file: given(&empty), ..Flags::default() }, "the secret is empty"),
            (Flags { jwt_secret: Some(String::new()), ..Flags::default() }, "CHATCLI_JWT_SECRET"),
            (Flags { jwks_file: given(&text), ..Flags::default() }, "no JSON Web Key Set"),
            (Flags { jwks_file: given(&rsa), ..Flags::default() }, "none of its keys"),
            (Flags { jwt_issuer: nowhere(), ..Flags::default() }, "CHATCLI_JWT_ISSUER"),
            (Flags { tls_cert: nowhere(), ..Flags::default() }, "--tls-key"),
            (Flags { tls_key: nowhere(), ..Flags::default() }, "--tls-cert"),
            (Flags { tls_cert: nowhere(), tls_key: nowhere(), ..Flags::default() }, "--tls-cert /nowhere/x"),
            (
                Flags { tls_cert: given(&text), tls_key: given(&text), ..Flags::default() },
                "TLS certificate load failed",
            ),
            (Flags { tls_required: true, ..Flags::default() }, "CHATCLI_TLS_REQUIRED"),
            (
                Flags { token_file: given(&file("both", "t")), insecure_no_auth: true, ..Flags::default() },
                "--insecure-no-auth",
            ),
        ] {
            let said = refusal(&flags, "127.0.0.1:1");
            assert!(said.contains(name) && said.contains("remedy"), "{name}: {said}");
        }
    }

    #[test]
    fn a_rotated_file_holds_and_a_lost_one_changes_nothing() {
        let path = file("rotated", "old");
        let flags = Flags { token_file: given(&path), ..Flags::default() };
        let mut guard = flags.read("127.0.0.1:1".parse().unwrap()).unwrap();
        let token = guard.access.token.unwrap();
        let (_, reload) = guard.reloads.first_mut().unwrap();
        assert!(!reload().unwrap());
        std::fs::write(&path, "new\n").unwrap();
        assert!(reload().unwrap());
        std::fs::write(&path, "").unwrap();
        assert!(reload().unwrap_err().to_string().contains("empty"));
        std::fs::remove_file(&path).unwrap();
        assert!(reload().unwrap_err().to_string().contains("rotated"));
        assert_eq!(token.replace("new"), Ok(false));
    }
}
