use super::super::names::{Form, bare, base, mentions, port_variables};

fn read(text: &str) -> Vec<(String, Option<u16>, Form)> {
    mentions(text).into_iter().map(|m| (m.host, m.port, m.form)).collect()
}

#[test]
fn addresses_in_text() {
    let url = |host: &str, port| vec![(host.to_owned(), port, Form::Url)];
    assert_eq!(read("http://web"), url("web", None));
    assert_eq!(read("jdbc:postgresql://db:5432/shop?user=a"), url("db", Some(5432)));
    assert_eq!(read("amqp://user:p%40ss@queue:5672/v"), url("queue", Some(5672)));
    assert_eq!(read("--url=\"https://Api.Shop.svc./x\""), url("api.shop.svc", None));
    assert_eq!(read("db:5432"), vec![("db".to_owned(), Some(5432), Form::HostPort)]);
    assert_eq!(read("a-0.a:9092,a-1.a:9092").len(), 2);
    assert_eq!(read("mongodb://m-0.m:27017,m-1.m:27017/db").len(), 2);
    for nothing in [
        "",
        ":",
        "://",
        "http://",
        "file:///etc/x",
        "s3://bucket",
        "http://web:port",
        "http://$H:80",
        "12:30",
        "a:0",
        "a:70000",
        "http://[::1]:80",
        "http://-a",
        "a_b:80",
        "localhost:80",
        "Port:80",
    ] {
        assert_eq!(read(nothing), Vec::new(), "{nothing}");
    }
    assert_eq!(bare(" cart ").map(|m| m.host).as_deref(), Some("cart"));
    assert_eq!(bare("true"), None);
    assert_eq!(bare("10.0.0.1"), None);
}

#[test]
fn variables_that_hold_hosts() {
    for (name, wanted) in [
        ("DB_HOST", Some("DB")),
        ("db.host", Some("DB")),
        ("--redis-addr", Some("REDIS")),
        ("PGHOST", Some("PG")),
        ("X_SERVICE_HOST", Some("X_SERVICE")),
        ("HOST", None),
        ("HOSTNAME", None),
        ("SERVER_HOST", None),
        ("LISTEN_ADDR", None),
        ("MODE", None),
    ] {
        assert_eq!(base(name).as_deref(), wanted, "{name}");
    }
    assert!(port_variables("DB_HOST").contains(&"DB_PORT".to_owned()));
    assert!(port_variables("PGHOST").contains(&"PGPORT".to_owned()));
}
