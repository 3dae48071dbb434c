//! Tokens as issuers make them, and as attackers do.

use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::*;

pub(crate) const SECRET: &[u8] = b"a secret of some length, for tests";

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| (group << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for position in 0..=chunk.len() {
            text.push(LETTERS[(group >> (18 - 6 * position)) as usize & 63] as char);
        }
    }
    text
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()))
}

pub(crate) fn hs256(secret: &[u8], claims: &Value) -> String {
    let message = unsigned(&json!({"alg": "HS256", "typ": "JWT"}), claims);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    format!("{message}.{}", base64(ring::hmac::sign(&key, message.as_bytes()).as_ref()))
}

fn signer() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("signer.der")).unwrap()
}

pub(crate) fn rs256(id: &str, claims: &Value) -> String {
    let message = unsigned(&json!({"alg": "RS256", "typ": "JWT", "kid": id}), claims);
    let key = signer();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", base64(&signature))
}

/// The key set of the issuer, whose key has this id.
pub(crate) fn set(id: &str) -> String {
    let public: ring::rsa::PublicKeyComponents<Vec<u8>> = signer().public_key().into();
    json!({"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "other", "x": "AA", "y": "AA"},
        {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": base64(&public.n), "e": base64(&public.e)},
    ]})
    .to_string()
}

fn guarded() -> Jwt {
    let jwt = Jwt::new(Some("https://issuer".into()), Some("chatcli".into()));
    assert_eq!(jwt.set_secret(SECRET), Ok(true));
    assert_eq!(jwt.set_keys(&set("k1")), Ok(true));
    jwt
}

fn claims(more: &Value) -> Value {
    let mut claims =
        json!({"sub": "ana", "role": "user", "iss": "https://issuer", "aud": ["other", "chatcli"], "exp": now() + 60});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn both_algorithms_are_read_with_subject_and_role() {
    let jwt = guarded();
    for token in [hs256(SECRET, &claims(&json!({}))), rs256("k1", &claims(&json!({})))] {
        assert_eq!(jwt.caller(&token), Ok(Caller { subject: "ana".into(), role: Role::User }));
    }
    for (role, expected) in [
        (json!("admin"), Role::Admin),
        (json!("readonly"), Role::Readonly),
        (json!("root"), Role::Readonly),
        (Value::Null, Role::User),
    ] {
        let token = hs256(SECRET, &claims(&json!({"role": role, "sub": ""})));
        assert_eq!(jwt.caller(&token), Ok(Caller { subject: "jwt-user".into(), role: expected }));
    }
}

#[test]
fn claims_that_do_not_hold_are_named_to_those_who_signed_them() {
    let jwt = guarded();
    for (more, word) in [
        (json!({"exp": now() - 31}), "expired"),
        (json!({"exp": null}), "exp"),
        (json!({"exp": "soon"}), "exp"),
        (json!({"nbf": now() + 40}), "nbf"),
        (json!({"aud": "other"}), "CHATCLI_JWT_AUDIENCE"),
        (json!({"iss": "https://other"}), "CHATCLI_JWT_ISSUER"),
    ] {
        let said = jwt.caller(&hs256(SECRET, &claims(&more))).unwrap_err();
        assert!(said.contains(word) && said.contains("remedy"), "{more}: {said}");
    }
    for (field, word) in [("exp", "exp"), ("aud", "aud"), ("iss", "iss")] {
        let mut without = claims(&json!({}));
        without.as_object_mut().unwrap().remove(field);
        assert!(jwt.caller(&hs256(SECRET, &without)).unwrap_err().contains(word), "{field}");
    }
    // Clocks may differ by half a minute.
    for more in [json!({"exp": now() - 20}), json!({"nbf": now() + 20})] {
        jwt.caller(&hs256(SECRET, &claims(&more))).unwrap();
    }
}

#[test]
fn forged_tokens_are_refused_and_learn_nothing() {
    let jwt = guarded();
    let good = claims(&json!({"role": "admin"}));
    let none = format!("{}.", unsigned(&json!({"alg": "none"}), &good));
    let other = hs256(b"another secret", &claims(&json!({"exp": 1})));
    // The public key is no secret: it must not be taken for one.
    let confused = hs256(set("k1").as_bytes(), &good);
    let mut tampered = hs256(SECRET, &good);
    tampered.replace_range(40..41, if &tampered[40..41] == "A" { "B" } else { "A" });
    let stripped = rs256("k1", &good).rsplit_once('.').unwrap().0.to_owned() + ".";
    let es256 = format!("{}.AAAA", unsigned(&json!({"alg": "ES256"}), &good));
    for token in [none, other, confused, tampered, stripped, es256, rs256("k2", &good), "a.b.c".into(), "..".into()] {
        let said = jwt.caller(&token).unwrap_err();
        assert!(!said.contains("expired") && said.contains("remedy"), "{said}");
    }
    for n in [0, 1, 7, 4096] {
        assert!(jwt.caller(&format!("{}.{}.{}", "x".repeat(n), "=".repeat(n), "\u{fffd}".repeat(n))).is_err());
    }
}

#[test]
fn keys_change_while_the_server_runs_and_bad_ones_change_nothing() {
    let jwt = guarded();
    assert_eq!(jwt.set_secret(SECRET), Ok(false));
    assert_eq!(jwt.set_secret(b" \n"), Err(BadKeys::Empty));
    assert!(matches!(jwt.set_keys("no json"), Err(BadKeys::NoSet(_))));
    assert_eq!(jwt.set_keys(r#"{"keys":[]}"#), Err(BadKeys::NoKey));
    let old = hs256(SECRET, &claims(&json!({})));
    jwt.caller(&old).unwrap();
    jwt.caller(&rs256("k1", &claims(&json!({})))).unwrap();
    assert_eq!(jwt.set_secret(b"new\n"), Ok(true));
    assert_eq!(jwt.set_keys(&set("k2")), Ok(true));
    assert!(jwt.caller(&old).is_err());
    jwt.caller(&hs256(b"new", &claims(&json!({})))).unwrap();
    jwt.caller(&hs256(b"new\n", &claims(&json!({})))).unwrap();
    jwt.caller(&rs256("k2", &claims(&json!({})))).unwrap();
    assert!(jwt.caller(&rs256("k1", &claims(&json!({})))).is_err());
}
