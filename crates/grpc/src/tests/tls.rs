use std::time::Duration;

use ports::server_link::Settings;
use proto::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::fake::*;
use crate::*;

fn certificate() -> (String, String) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

fn tls(pair: &(String, String)) -> Tls {
    Tls::new(pair.0.as_bytes(), pair.1.as_bytes()).unwrap()
}

async fn dial(port: u16, trusted: &str) -> Result<Channel, tonic::transport::Error> {
    let trust = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusted)).domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}")).unwrap().tls_config(trust).unwrap();
    endpoint.connect().await
}

#[tokio::test]
async fn tls_with_a_private_authority() {
    let pair = certificate();
    let eyes = Fake::new([alert("a", "shop", "web")]);
    let server = Running::start(&eyes, Options { tls: Some(tls(&pair)), ..Options::default() }).await;
    let ca = File::new("ca.pem", &pair.0);
    let address = format!("https://localhost:{}", server.address.port());
    let mut link = Link::start(Settings { ca_file: Some(ca.0.clone()), ..Settings::new(&address) });
    assert_eq!(link.account().await, ["a"]);
    server.stop().await;
}

#[test]
fn a_pair_that_does_not_belong_together_is_refused_with_the_remedy() {
    let ((certificate, key), (_, other)) = (certificate(), certificate());
    for (certificate, key) in [
        (certificate.as_str(), other.as_str()),
        (certificate.as_str(), "no key"),
        ("no certificate", key.as_str()),
        ("", ""),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key.as_str()),
    ] {
        let said = Tls::new(certificate.as_bytes(), key.as_bytes()).expect_err(certificate).to_string();
        assert!(said.contains("remedy"), "{said}");
    }
}

#[tokio::test]
async fn another_certificate_takes_its_place_and_nothing_is_dropped() {
    let (old, new) = (certificate(), certificate());
    let holds = tls(&old);
    let eyes = Fake::new([alert("a", "shop", "web")]);
    let server = Running::start(&eyes, Options { tls: Some(holds.clone()), ..Options::default() }).await;
    let port = server.address.port();
    let channel = dial(port, &old.0).await.unwrap();
    let mut client = v1::chat_cli_service_client::ChatCliServiceClient::new(channel);
    let mut stream = client.watch_alerts(v1::WatchAlertsRequest::default()).await.unwrap().into_inner();
    while stream.message().await.unwrap().unwrap().alert.is_none() {}

    // A broken pair changes nothing.
    assert!(holds.replace(new.0.as_bytes(), old.1.as_bytes()).is_err());
    dial(port, &old.0).await.unwrap();
    assert!(!holds.replace(old.0.as_bytes(), old.1.as_bytes()).unwrap());

    assert!(holds.replace(new.0.as_bytes(), new.1.as_bytes()).unwrap());
    assert!(dial(port, &old.0).await.is_err());
    dial(port, &new.0).await.unwrap();
    // What was open goes on.
    eyes.fire(alert("b", "shop", "api"));
    loop {
        if stream.message().await.unwrap().unwrap().alert.is_some_and(|alert| alert.id == "b") {
            break;
        }
    }
    client.health(v1::HealthRequest {}).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn plaintext_on_a_tls_port_and_tls_on_a_plain_one_fail_cleanly() {
    let pair = certificate();
    let eyes = Fake::new([]);
    let guarded = Running::start(&eyes, Options { tls: Some(tls(&pair)), ..Options::default() }).await;
    let plain = Running::start(&eyes, Options::default()).await;
    let refused = tokio::time::timeout(PATIENCE, guarded.client().health(v1::HealthRequest {})).await.unwrap();
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused.code(), tonic::Code::Unavailable | tonic::Code::Unknown | tonic::Code::Internal),
        "{refused}"
    );
    assert!(tokio::time::timeout(PATIENCE, dial(plain.address.port(), &pair.0)).await.unwrap().is_err());
    // Neither has hurt the server.
    dial(guarded.address.port(), &pair.0).await.unwrap();
    plain.client().health(v1::HealthRequest {}).await.unwrap();
    guarded.stop().await;
    plain.stop().await;
}

#[tokio::test]
async fn connections_that_say_nothing_hold_up_nobody() {
    let eyes = Fake::new([]);
    let limits = Limits { connections_per_address: 40, ..Limits::default() };
    let pair = certificate();
    for tls in [None, Some(tls(&pair))] {
        let guarded = tls.is_some();
        let server = Running::start(&eyes, Options { tls, limits, ..Options::default() }).await;
        let mut silent = Vec::new();
        for _ in 0..30 {
            silent.push(TcpStream::connect(server.address).await.unwrap());
        }
        for noise in [
            &b"\0"[..],
            b"GET / HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff",
            &[0x16; 4096],
        ] {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(noise).await.unwrap();
            silent.push(stream);
        }
        if guarded {
            dial(server.address.port(), &pair.0).await.unwrap();
        } else {
            server.client().health(v1::HealthRequest {}).await.unwrap();
        }
        // Those over the limit are closed at once; a good one comes through when there is room again.
        let mut over = Vec::new();
        for _ in 0..40 {
            over.push(TcpStream::connect(server.address).await.unwrap());
        }
        let last = over.last_mut().unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(5), last.read(&mut [0])).await.expect("it is not closed");
        assert!(closed.map_or(true, |read| read == 0));
        drop((silent, over));
        tokio::time::timeout(PATIENCE, async {
            loop {
                let works = if guarded {
                    dial(server.address.port(), &pair.0).await.is_ok()
                } else {
                    server.client().health(v1::HealthRequest {}).await.is_ok()
                };
                if works {
                    break;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        server.stop().await;
    }
}
