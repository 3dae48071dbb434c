//! Whatever stands in a Secret: no panic, and never silence about what cannot be used.

use proptest::prelude::*;

use super::*;

fn pem() -> impl Strategy<Value = Vec<u8>> {
    let ca = Ca::root("ca");
    let (certificate, key) = ca.issue(&[NAME], |_| {});
    let texts = vec![certificate.clone(), key.clone(), ca.pem.clone(), format!("{certificate}{key}{}", ca.pem)];
    let changed =
        (prop::sample::select(texts), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6))
            .prop_map(|(text, changes)| {
                let mut bytes = text.into_bytes();
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                bytes
            });
    // What is behind the armour is changed as well, so that the DER is reached.
    let der = prop::collection::vec(any::<u8>(), 0..400).prop_map(|bytes| {
        let body: Vec<String> = bytes.chunks(48).map(base64).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", body.join("\n")).into_bytes()
    });
    prop_oneof![changed, der, prop::collection::vec(any::<u8>(), 0..200)]
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (i, byte)| word | u32::from(*byte) << (16 - 8 * i));
        for digit in 0..4 {
            let index = usize::try_from(word >> (18 - 6 * digit) & 63).unwrap();
            text.push(if digit > chunk.len() { '=' } else { char::from(DIGITS[index]) });
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_judged(certificate in pem(), key in pem(), ca in proptest::option::of(pem()), name in ".{0,40}", second in any::<i64>()) {
        let now = Timestamp::from_second(second % 200_000_000_000).unwrap_or(Timestamp::MAX);
        let given = Given { certificate: Some(&certificate), key: Some(&key), ca: ca.as_deref(), names: &[name] };
        let findings = inspect(&given, &Trust::nobody(), now);
        for finding in &findings {
            prop_assert!(!finding.text.is_empty() && !finding.remedy.is_empty());
        }
        // A pair by chance does not exist: either it is ours, or something is wrong.
        if findings.is_empty() {
            prop_assert!(identity(&certificate, &key).is_ok());
        }
        let _ = renew_at(&certificate);
        let _ = Trust::only(&certificate);
    }

    #[test]
    fn a_name_is_issued_and_accepted_or_refused(name in "[a-zA-Z0-9.*_ é:-]{0,70}") {
        let ca = issue_ca("ca", now(), years(1)).unwrap();
        let authority = Authority { certificate: &ca.certificate, key: &ca.key };
        if let Ok(leaf) = issue_leaf(std::slice::from_ref(&name), authority, now(), years(1)) {
            prop_assert_eq!(found(&leaf.certificate, &leaf.key, Some(&ca.certificate), &[&name]), []);
        }
    }
}
