use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

static SCRUBBER: LazyLock<Scrubber> = LazyLock::new(|| Scrubber::new("").unwrap());

fn scrub(text: &str) -> String {
    SCRUBBER.scrub(text)
}

fn gone(secret: &str, text: &str) {
    let scrubbed = scrub(text);
    assert!(!scrubbed.contains(secret), "{text}\n→ {scrubbed}");
    assert!(scrubbed.contains(REMOVED), "{text}\n→ {scrubbed}");
}

#[test]
fn passwords_go_in_every_notation() {
    for text in [
        "password=hunter2",
        "DB_PASSWORD=hunter2",
        "password: hunter2",
        "  dbPassword: \"hunter2\"",
        "{\"password\":\"hunter2\",\"user\":\"a\"}",
        "{\"password\": \"hunter2\"}",
        "{\"log\":\"{\\\"password\\\":\\\"hunter2\\\"}\"}",
        "{'api_key': 'hunter2'}",
        "export API_KEY='hunter2'",
        "client-secret := hunter2",
        "\"clientSecret\" => \"hunter2\"",
        "- name: DB_PASSWORD\n  value: hunter2",
        "- name: DB_PASSWORD\n  value: \"hunter2\"",
        "{\"name\":\"API_TOKEN\",\"value\":\"hunter2\"}",
        "{\"value\":\"hunter2\",\"name\":\"API_TOKEN\"}",
        "secret: |\n  hunter2\n  hunter2\n",
        "mysql --password hunter2 --host db",
        "--token=hunter2",
        "GET /cb?token=hunter2&x=1",
        "Server=db;Database=x;User Id=sa;Password=hunter2;",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=hunter2==;EndpointSuffix=x",
        "senha: hunter2",
        "SESSION_COOKIE=hunter2",
    ] {
        gone("hunter2", text);
    }
}

#[test]
fn connection_strings_lose_their_user_and_password() {
    for text in [
        "postgres://shop:hunter2@db:5432/shop",
        "mongodb+srv://shop:hunter2@cluster0.example.net/?w=majority",
        "redis://:hunter2@cache:6379/0",
        "amqp://shop:hunter2@ss@queue:5672",
        "https://hunter2@git.example.com/repo",
        "postgres://shop:hun/ter2hunter2@db/shop",
        "shop:hunter2@tcp(db:3306)/shop",
    ] {
        gone("hunter2", text);
    }
    assert_eq!(
        scrub("dial postgres://shop:x1@db:5432/shop: refused"),
        "dial postgres://[removed]@db:5432/shop: refused"
    );
}

#[test]
fn tokens_go_by_their_form_wherever_they_stand() {
    for token in [
        "sk-ant-api03-AAAAAAAAAAAAAAAAAAAA",
        "sk-proj-abcdefghijklmnopqrstuvwx",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "gho_abcdefghijklmnopqrst",
        "ghu_abcdefghijklmnopqrst",
        "github_pat_11ABCDEFG0123456789_abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "xoxb-123456789012-abcdefABCDEF",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXBhcnQ",
        "glpat-abcdefghijklmnopqrst",
        "hooks.slack.com/services/T000/B000/XXXX",
    ] {
        for text in [format!("got {token} from it"), format!("({token})"), format!("\"{token}\",")] {
            gone(token, &text);
        }
    }
    gone("c2VjcmV0c2VjcmV0", "Authorization: Bearer c2VjcmV0c2VjcmV0");
    gone("c2VjcmV0c2VjcmV0", "authorization: Basic c2VjcmV0c2VjcmV0");
    gone("c2VjcmV0c2VjcmV0", "curl -H 'bearer c2VjcmV0c2VjcmV0'");
    let pem = "x -----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY----- y";
    assert_eq!(scrub(pem), "x -----BEGIN RSA PRIVATE KEY-----[removed]-----END RSA PRIVATE KEY----- y");
    gone("MIIEow", "-----BEGIN PRIVATE KEY-----\nMIIEow and then the log ends");
}

#[test]
fn personal_data_goes() {
    for (secret, text) in [
        ("ana.silva@example.com.br", "user ana.silva@example.com.br not found"),
        ("123.456.789-09", "cpf 123.456.789-09"),
        ("12.345.678/0001-95", "cnpj 12.345.678/0001-95"),
        ("+55 11 98765-4321", "call +55 11 98765-4321"),
        ("4111 1111 1111 1111", "card 4111 1111 1111 1111 declined"),
        ("078-05-1120", "ssn 078-05-1120"),
    ] {
        gone(secret, text);
    }
}

#[test]
fn what_tells_about_the_fault_stays() {
    for text in [
        "Failed to pull image \"registry.example.com:5000/shop/web@sha256:9b2a0f3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8\"",
        "docker://registry:5000/shop/web@sha256:9b2a0f3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8",
        "dial tcp 10.42.3.17:8080: connect: connection refused",
        "secret \"web-tls\" not found",
        "secretName: web-tls",
        "imagePullSecrets: regcred",
        "serviceAccountName: web-token-reader",
        "automountServiceAccountToken: false",
        "tokenExpirationSeconds: 3607",
        "max_tokens=4096",
        "pod web-6d4cf56db6-x7k2p on node ip-10-0-3-44.ec2.internal",
        "MountVolume.SetUp failed for volume \"kube-api-access-abcde\"",
        "2025-11-25T03:15:49.123456Z exit code 137",
        "uid 3f2504e0-4f89-11d3-9a0c-0305e82c3301 resourceVersion 4123456789",
        "GET http://web:8080/health returned 503",
        "1764040549123 1764040549123456789",
        "file web-token-1 cannot be read",
    ] {
        assert_eq!(scrub(text), text);
    }
}

#[test]
fn json_stays_json() {
    let text = r#"{"user":"a","password":"p\"q","list":["x"],"nested":{"token":"t","n":1}}"#;
    let value: serde_json::Value = serde_json::from_str(&scrub(text)).unwrap();
    assert_eq!(value["password"], REMOVED);
    assert_eq!(value["nested"]["token"], REMOVED);
    assert_eq!(value["nested"]["n"], 1);
}

#[test]
fn added_patterns_are_taken_line_by_line_and_a_bad_one_is_named() {
    let scrubber = Scrubber::new("CUST-[0-9]{4,6}\n\norder=([a-z,]+);").unwrap();
    assert_eq!(scrubber.scrub("CUST-12345 order=a,b;"), "[removed] order=[removed];");
    let problem = Scrubber::new("ok\n(unclosed").unwrap_err();
    assert_eq!(problem.field, PATTERNS);
    assert!(problem.reason.contains("line 2") && problem.reason.contains("(unclosed"), "{problem}");
    assert!(Scrubber::new("(?:a{1000}){1000}").is_err(), "a pattern that takes all the memory is refused");
}

#[test]
fn odd_passwords_go_at_once() {
    gone("0#^a^#", "postgres://user:0#^a^#@db/x");
    gone("12/ab", "postgres://user:12/ab@db/x");
    for text in ["password=\\password", "password=\\x y", "token:\\'a", "passwordx://,/x://@"] {
        let once = scrub(text);
        assert_eq!(scrub(&once), once, "{text}");
    }
}

proptest! {
    #[test]
    fn a_password_never_passes(secret in "[A-Za-z0-9!#$%^*_+~.]{6,24}", key in "(DB_|app\\.|x-)?(password|Secret|API_KEY|token)", notation in 0..6usize) {
        prop_assume!(!["password", "secret", "token", "removed"].iter().any(|word| secret.to_lowercase().contains(word)));
        let text = match notation {
            0 => format!("{key}={secret}"),
            1 => format!("{{\"{key}\":\"{secret}\"}}"),
            2 => format!("  {key}: {secret}\nnext: 1"),
            3 => format!("{key}='{secret}' other=1"),
            4 => format!("- name: {key}\n  value: {secret}"),
            _ => format!("postgres://user:{secret}@db/x"),
        };
        let scrubbed = scrub(&text);
        prop_assert!(!scrubbed.contains(&secret), "{} → {}", text, scrubbed);
    }

    #[test]
    fn twice_is_once(text in "(password|token|a|b|[ :=\"'{}\\\\,;@/\n.-]|x://|sk-ant-|[0-9]{2}|Bearer ){0,40}") {
        let once = scrub(&text);
        prop_assert_eq!(scrub(&once), once);
    }

    #[test]
    fn nothing_panics_and_plain_words_stay(text in "\\PC{0,200}", words in "[a-z]{1,4}( [a-z]{1,4}){0,20}") {
        let _ = scrub(&text);
        prop_assume!(!words.contains("pwd") && !words.contains("dsn"));
        prop_assert_eq!(scrub(&words), words);
    }
}

#[test]
fn what_is_told_in_resources_loses_credentials_and_keeps_its_words() {
    let cause = "Deployment web (DB=postgres://shop:hunter2@store:5432/shop) cannot reach port 5432 of Service store";
    assert_eq!(
        told(cause),
        "Deployment web (DB=postgres://[removed]@store:5432/shop) cannot reach port 5432 of Service store"
    );
    for plain in [
        "Secret db has no key pasword, to which Deployment web refers; did you mean password?",
        "Container app of Deployment web exits with 1: password authentication failed for user \"shop\"",
        "image registry.invalid/shop@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 was not found",
        "ConfigMap settings: TOKEN_FILE is /var/run/token, which does not exist",
    ] {
        assert_eq!(told(plain), plain);
    }
    assert_eq!(told("\u{1b}[31mred\0\u{7f}\nnext"), " [31mred  \nnext");
    assert!(!logged("login with password=hunter2 failed").contains("hunter2"));
}
