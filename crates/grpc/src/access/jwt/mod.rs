//! JSON Web Tokens: HS256 by a shared secret, RS256 by the public keys of an issuer.

use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::{Caller, Role, crypto};

/// Seconds that the clocks of issuer and server may differ.
const SKEW: u64 = 30;
/// Public keys that are taken from a set, at most.
const MOST_KEYS: usize = 64;
/// Characters of a subject that are kept.
const SUBJECT: usize = 256;
/// Subject of a token that names none; the name that chatcli 1.188 gives it.
const NOBODY: &str = "jwt-user";

/// Why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// A secret without characters protects nothing.
    #[error("the secret is empty")]
    Empty,
    /// The file is no set of keys.
    #[error("it is no JSON Web Key Set: {0}")]
    NoSet(String),
    /// The set has none that can be used.
    #[error("none of its keys is an RSA key for signatures (kty RSA, use sig, alg RS256)")]
    NoKey,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    key: DecodingKey,
}

#[derive(Default)]
struct Keys {
    secrets: Vec<DecodingKey>,
    /// Digest-free copy of the secret, to say whether another one is another one.
    secret: Vec<u8>,
    public: Vec<Key>,
    set: String,
}

/// Which JWTs are accepted; clones share the keys, so that new ones hold for open servers too.
#[derive(Clone)]
pub struct Jwt {
    keys: Arc<RwLock<Keys>>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl std::fmt::Debug for Jwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwt").field("issuer", &self.issuer).field("audience", &self.audience).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    role: Option<String>,
}

impl Jwt {
    /// Accepts nothing until it is given keys. An issuer or audience that is named must stand in the token.
    pub fn new(issuer: Option<String>, audience: Option<String>) -> Self {
        crypto::install();
        Self { keys: Arc::default(), issuer, audience }
    }

    /// Puts another secret for HS256 in place; returns whether it is another one.
    ///
    /// # Errors
    /// When it is empty; the old one stays.
    pub fn set_secret(&self, secret: &[u8]) -> Result<bool, BadKeys> {
        let bare = secret.trim_ascii_end();
        if bare.is_empty() {
            return Err(BadKeys::Empty);
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.secret == secret {
            return Ok(false);
        }
        // Whether the line end of a file belongs to the secret depends on who signs.
        let both = if bare == secret { vec![bare] } else { vec![bare, secret] };
        keys.secrets = both.into_iter().map(DecodingKey::from_secret).collect();
        keys.secret = secret.to_vec();
        Ok(true)
    }

    /// Puts other public keys for RS256 in place, from a JSON Web Key Set; returns whether they are other ones.
    ///
    /// # Errors
    /// When there is none that can be used; the old ones stay.
    pub fn set_keys(&self, set: &str) -> Result<bool, BadKeys> {
        let parsed: JwkSet = serde_json::from_str(set).map_err(|error| BadKeys::NoSet(error.to_string()))?;
        let usable = parsed.keys.iter().take(MOST_KEYS).filter_map(|jwk| {
            let signs = jwk.common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
            let rs256 = jwk.common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::RS256);
            let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else { return None };
            let key = DecodingKey::from_rsa_components(&rsa.n, &rsa.e).ok().filter(|_| signs && rs256)?;
            Some(Key { id: jwk.common.key_id.clone(), key })
        });
        let public: Vec<Key> = usable.collect();
        if public.is_empty() {
            return Err(BadKeys::NoKey);
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let changed = keys.set != set;
        set.clone_into(&mut keys.set);
        keys.public = public;
        Ok(changed)
    }

    /// Who the token is about. What is wrong with its claims is told only to those whose signature holds.
    pub(super) fn caller(&self, token: &str) -> Result<Caller, String> {
        const FOREIGN: &str = "the JWT is not signed with a key that this server knows; remedy: sign it with the secret of CHATCLI_JWT_SECRET_FILE (HS256), or with a key of CHATCLI_JWKS_FILE (RS256)";
        let header = decode_header(token).map_err(|_| {
            "the JWT cannot be read, or its algorithm is not known; remedy: sign it with HS256 or RS256".to_owned()
        })?;
        let (algorithm, candidates) = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            // The algorithm decides which keys are tried: a public key is never taken for a shared secret.
            match header.alg {
                Algorithm::HS256 => (Algorithm::HS256, keys.secrets.clone()),
                Algorithm::RS256 => {
                    let fits = |key: &&Key| header.kid.is_none() || key.id.is_none() || key.id == header.kid;
                    (Algorithm::RS256, keys.public.iter().filter(fits).map(|key| key.key.clone()).collect())
                }
                _ => {
                    return Err(
                        "the algorithm of the JWT is not accepted; remedy: sign it with HS256 or RS256".to_owned()
                    );
                }
            }
        };
        let rules = self.rules(algorithm);
        for key in candidates {
            match decode::<Claims>(token, &key, &rules) {
                Ok(data) => return Ok(caller(data.claims)),
                Err(error) => match error.kind() {
                    ErrorKind::ExpiredSignature => return Err("the JWT has expired; remedy: get a new one".to_owned()),
                    ErrorKind::ImmatureSignature => {
                        return Err("the JWT is not valid yet (nbf); remedy: check the clocks".to_owned());
                    }
                    ErrorKind::InvalidAudience => {
                        return Err("the JWT is for another audience (aud); remedy: ask the issuer for one with the audience of CHATCLI_JWT_AUDIENCE".to_owned());
                    }
                    ErrorKind::InvalidIssuer => {
                        return Err(
                            "the JWT is of another issuer (iss); remedy: use one of the issuer of CHATCLI_JWT_ISSUER"
                                .to_owned(),
                        );
                    }
                    ErrorKind::MissingRequiredClaim(claim) => {
                        return Err(format!("the JWT has no claim {claim}; remedy: ask the issuer to set it"));
                    }
                    ErrorKind::InvalidClaimFormat(claim) => {
                        return Err(format!(
                            "the claim {claim} of the JWT cannot be read; remedy: ask the issuer to correct it"
                        ));
                    }
                    _ => {}
                },
            }
        }
        Err(FOREIGN.to_owned())
    }

    fn rules(&self, algorithm: Algorithm) -> Validation {
        let mut rules = Validation::new(algorithm);
        rules.leeway = SKEW;
        rules.validate_nbf = true;
        rules.validate_aud = self.audience.is_some();
        let mut required = vec!["exp"];
        if let Some(audience) = &self.audience {
            rules.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &self.issuer {
            rules.set_issuer(&[issuer]);
            required.push("iss");
        }
        rules.set_required_spec_claims(&required);
        rules
    }
}

fn caller(claims: Claims) -> Caller {
    let role = match claims.role.as_deref() {
        Some("admin") => Role::Admin,
        // As chatcli 1.188 takes a token without a role; a role that nobody knows gives the least.
        None | Some("user") => Role::User,
        Some(_) => Role::Readonly,
    };
    let subject = claims.sub.filter(|subject| !subject.is_empty()).unwrap_or_else(|| NOBODY.to_owned());
    Caller { subject: subject.chars().take(SUBJECT).collect(), role }
}

#[cfg(test)]
pub(crate) mod tests;
