use super::*;

/// Asserts all rows at once, so that one that is wrong does not hide the others.
fn same<T: PartialEq + std::fmt::Debug>(rows: impl IntoIterator<Item = (&'static str, T, T)>) {
    let wrong: Vec<_> = rows.into_iter().filter(|(_, got, wanted)| got != wanted).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

type Row = (Option<Family>, Option<String>, Option<u16>, Option<String>, Option<String>);

/// Family, host, port, path, name of a line.
fn of(line: &str) -> Row {
    let told = read(line, "").unwrap_or_default();
    (told.family, told.host, told.port, told.path, told.name)
}

#[test]
fn connections_name_host_and_port() {
    let rows = [
        ("dial tcp 10.96.0.5:5432: connect: connection refused", Family::Refused, "10.96.0.5", Some(5432)),
        (
            "Get \"http://orders:8080/x\": dial tcp 10.96.3.4:8080: connect: connection refused",
            Family::Refused,
            "orders",
            Some(8080),
        ),
        ("Error: connect ECONNREFUSED 10.0.0.5:6379", Family::Refused, "10.0.0.5", Some(6379)),
        (
            "HTTPConnectionPool(host='orders', port=8080): Max retries exceeded with url: / (Caused by NewConnectionError: [Errno 111] Connection refused)",
            Family::Refused,
            "orders",
            Some(8080),
        ),
        (
            "connection to server at \"db\" (10.96.0.4), port 5432 failed: Connection refused",
            Family::Refused,
            "db",
            Some(5432),
        ),
        (
            "Connection to db:5432 refused. Check that the hostname and port are correct",
            Family::Refused,
            "db",
            Some(5432),
        ),
        ("Failed to connect to orders/10.0.0.3:8080", Family::Refused, "orders", Some(8080)),
        ("nc: orders (10.96.0.7:8080): Connection refused", Family::Refused, "orders", Some(8080)),
        (
            "curl: (7) Failed to connect to orders port 8080 after 1 ms: Couldn't connect to server",
            Family::Refused,
            "orders",
            Some(8080),
        ),
        ("Error 111 connecting to redis:6379. Connection refused.", Family::Refused, "redis", Some(6379)),
        ("Can't connect to MySQL server on 'mysql:3306' (111)", Family::Refused, "mysql", Some(3306)),
        ("ERROR 2003 (HY000): Can't connect to MySQL server on 'mysql' (111)", Family::Refused, "mysql", None),
        (
            "error sending request for url (http://orders:8080/): tcp connect error: Connection refused (os error 111)",
            Family::Refused,
            "orders",
            Some(8080),
        ),
        ("Connection refused (orders.shop.svc:8080)", Family::Refused, "orders.shop.svc", Some(8080)),
        (
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp 10.96.1.1:50051: connect: connection refused\"",
            Family::Refused,
            "10.96.1.1",
            Some(50051),
        ),
        ("postgres://app:pw@db.data:5432/shop: connection refused", Family::Refused, "db.data", Some(5432)),
        ("dial tcp 10.0.0.1:443: i/o timeout", Family::Timeout, "10.0.0.1", Some(443)),
        ("Connect to http://orders:8080 failed: connect timed out", Family::Timeout, "orders", Some(8080)),
        ("connect EHOSTUNREACH 10.1.1.1:80", Family::Timeout, "10.1.1.1", Some(80)),
        ("Post \"https://api.example.com/v1\": net/http: TLS handshake timeout", Family::Tls, "api.example.com", None),
        (
            "Get \"https://vault:8200\": x509: certificate signed by unknown authority",
            Family::UnknownAuthority,
            "vault",
            Some(8200),
        ),
        (
            "x509: certificate has expired or is not yet valid: current time 2024-01-01 (https://vault:8200)",
            Family::CertificateExpired,
            "vault",
            Some(8200),
        ),
        (
            "Get \"https://vault:8200\": x509: certificate is valid for a.example, not vault",
            Family::CertificateName,
            "vault",
            Some(8200),
        ),
        (
            "Get \"https://orders:8080/\": http: server gave HTTP response to HTTPS client",
            Family::Tls,
            "orders",
            Some(8080),
        ),
    ];
    same(rows.into_iter().map(|(line, family, host, port)| {
        let told = of(line);
        (line, (told.0, told.1.clone(), told.2), (Some(family), Some(host.to_owned()), port))
    }));
}

#[test]
fn names_that_cannot_be_resolved() {
    let rows = [
        ("dial tcp: lookup orders-db on 10.96.0.10:53: no such host", "orders-db"),
        ("cannot open database: lookup library-db-prod: no such host", "library-db-prod"),
        ("getaddrinfo ENOTFOUND redis.shop.svc.cluster.local", "redis.shop.svc.cluster.local"),
        ("getaddrinfo EAI_AGAIN redis", "redis"),
        ("wget: bad address 'orders:8080'", "orders"),
        ("java.net.UnknownHostException: kafka-0.kafka", "kafka-0.kafka"),
        ("could not translate host name \"pg\" to address: Name or service not known", "pg"),
        ("curl: (6) Could not resolve host: payments", "payments"),
        (
            "HTTPConnectionPool(host='orders', port=80): Failed to resolve 'orders' ([Errno -2] Name or service not known)",
            "orders",
        ),
        ("Name or service not known (orders:8080)", "orders"),
        ("** server can't find orders.shop.svc.cluster.local: NXDOMAIN", "orders.shop.svc.cluster.local"),
        ("ping: bad address 'db.other'", "db.other"),
        ("Unknown host: broker", "broker"),
        ("Error: getaddrinfo ENOTFOUND mongo", "mongo"),
        (
            "error trying to connect: dns error: failed to lookup address information: Name does not resolve (host=cache)",
            "cache",
        ),
        ("unable to resolve host address 'files'", "files"),
    ];
    same(rows.into_iter().map(|(line, host)| {
        let told = of(line);
        (line, (told.0, told.1.clone()), (Some(Family::Dns), Some(host.to_owned())))
    }));
}

#[test]
fn variables_that_are_not_set() {
    let rows = [
        ("berth-planner: HARBOUR_ID is not defined, stopping", "HARBOUR_ID"),
        ("fatal: environment variable DB_URL is not set", "DB_URL"),
        ("missing required environment variable DB_URL", "DB_URL"),
        ("Error: Missing required env var: API_BASE_URL", "API_BASE_URL"),
        ("DATABASE_URL must be set", "DATABASE_URL"),
        ("/start.sh: line 3: DATABASE_URL: unbound variable", "DATABASE_URL"),
        ("sh: DATABASE_URL: parameter not set", "DATABASE_URL"),
        ("KeyError: 'DATABASE_URL'", "DATABASE_URL"),
        ("required key STRIPE_KEY missing value", "STRIPE_KEY"),
        ("Config validation error: \"JWT_ISSUER\" is required", "JWT_ISSUER"),
        ("env var \"PORT\" is not set", "PORT"),
        ("environment variable `RUST_ENV_NAME` not found", "RUST_ENV_NAME"),
        ("please set REDIS_URL", "REDIS_URL"),
        ("Undefined environment variable: QUEUE", "QUEUE"),
    ];
    same(rows.into_iter().map(|(line, name)| {
        let told = of(line);
        (line, (told.0, told.4.clone()), (Some(Family::VariableMissing), Some(name.to_owned())))
    }));
    for line in ["HTTP not found", "JSON is required", "listening, LOG_LEVEL=debug", "user not found"] {
        assert_ne!(of(line).0, Some(Family::VariableMissing), "{line}");
    }
}

#[test]
fn files_ports_and_disks() {
    let rows = [
        ("open /etc/app/config.yaml: no such file or directory", Family::FileMissing, "/etc/app/config.yaml"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/etc/app/x.ini'",
            Family::FileMissing,
            "/etc/app/x.ini",
        ),
        ("Error: ENOENT: no such file or directory, open '/app/key.pem'", Family::FileMissing, "/app/key.pem"),
        ("java.io.FileNotFoundException: /conf/a.xml (No such file or directory)", Family::FileMissing, "/conf/a.xml"),
        ("java.nio.file.NoSuchFileException: /conf/a.xml", Family::FileMissing, "/conf/a.xml"),
        ("cat: can't open '/conf/a': No such file or directory", Family::FileMissing, "/conf/a"),
        ("System.IO.FileNotFoundException: Could not find file '/app/a.json'.", Family::FileMissing, "/app/a.json"),
        ("open /data/lock: permission denied", Family::FileDenied, "/data/lock"),
        ("PermissionError: [Errno 13] Permission denied: '/data/lock'", Family::FileDenied, "/data/lock"),
        ("Error: EACCES: permission denied, open '/data/lock'", Family::FileDenied, "/data/lock"),
        ("java.nio.file.AccessDeniedException: /data/lock", Family::FileDenied, "/data/lock"),
        ("mkdir: can't create directory '/cache/x': Read-only file system", Family::ReadOnly, "/cache/x"),
        ("OSError: [Errno 30] Read-only file system: '/var/x'", Family::ReadOnly, "/var/x"),
        ("write /data/wal: no space left on device", Family::DiskFull, "/data/wal"),
    ];
    same(rows.into_iter().map(|(line, family, path)| {
        let told = of(line);
        (line, (told.0, told.3.clone()), (Some(family), Some(path.to_owned())))
    }));
    let rows = [
        ("listen tcp :8080: bind: address already in use", Family::PortTaken, 8080),
        ("Error: listen EADDRINUSE: address already in use :::3000", Family::PortTaken, 3000),
        ("OSError: [Errno 98] Address already in use: port 5000", Family::PortTaken, 5000),
        ("Web server failed to start. Port 8080 was already in use.", Family::PortTaken, 8080),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", Family::PortTaken, 80),
        ("Failed to bind to port 80", Family::PortTaken, 80),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)", Family::PortDenied, 80),
        ("listen tcp :443: bind: permission denied", Family::PortDenied, 443),
        ("Error: listen EACCES: permission denied 0.0.0.0:80", Family::PortDenied, 80),
    ];
    same(rows.into_iter().map(|(line, family, port)| {
        let told = of(line);
        (line, (told.0, told.2), (Some(family), Some(port)))
    }));
}

#[test]
fn rights_commands_memory_and_values() {
    let line = "pods is forbidden: User \"system:serviceaccount:shop:reporter\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\"";
    let access = read(line, "").and_then(|told| told.access).unwrap();
    assert_eq!(
        (access.namespace.as_str(), access.account.as_str(), access.verb.as_str()),
        ("shop", "reporter", "list")
    );
    assert_eq!((access.resource.as_str(), access.group.as_str(), access.place.as_deref()), ("pods", "", Some("shop")));
    let line = "nodes is forbidden: User \"system:serviceaccount:shop:default\" cannot watch resource \"nodes\" in API group \"metrics.k8s.io\" at the cluster scope";
    let access = read(line, "").and_then(|told| told.access).unwrap();
    assert_eq!((access.group.as_str(), access.place), ("metrics.k8s.io", None));
    let rows = [
        ("sh: frobnicate: not found", Family::CommandMissing, Some("frobnicate")),
        ("/bin/sh: 1: gunicorn: not found", Family::CommandMissing, Some("gunicorn")),
        ("bash: line 1: kubectl: command not found", Family::CommandMissing, Some("kubectl")),
        ("exec: \"mkdri\": executable file not found in $PATH", Family::CommandMissing, Some("mkdri")),
        ("exec /app/server: no such file or directory", Family::CommandMissing, Some("/app/server")),
        ("/entrypoint.sh: exec: line 12: pyhton: not found", Family::CommandMissing, Some("pyhton")),
        ("exec /app/server: exec format error", Family::ExecFormat, None),
        ("java.lang.OutOfMemoryError: Java heap space", Family::OutOfMemory, None),
        (
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            Family::OutOfMemory,
            None,
        ),
        ("memory allocation of 1073741824 bytes failed", Family::OutOfMemory, None),
        ("fatal error: runtime: out of memory", Family::OutOfMemory, None),
        ("flag provided but not defined: -verbos", Family::FlagUnknown, Some("-verbos")),
        ("error: unexpected argument '--prot' found", Family::FlagUnknown, Some("--prot")),
        ("unknown flag: --cofig", Family::FlagUnknown, Some("--cofig")),
        ("Could not resolve placeholder 'db.url' in value \"${db.url}\"", Family::SettingMissing, Some("db.url")),
        ("password authentication failed for user \"app\"", Family::Unauthorized, None),
        ("unexpected status code 401", Family::Unauthorized, None),
        ("Segmentation fault (core dumped)", Family::Fault, None),
    ];
    same(rows.into_iter().map(|(line, family, name)| {
        let told = of(line);
        (line, (told.0, told.4.clone()), (Some(family), name.map(str::to_owned)))
    }));
    let told = read("strconv.Atoi: parsing \"ten\": invalid syntax", "").unwrap();
    assert_eq!((told.family, told.value.as_deref()), (Some(Family::Invalid), Some("ten")));
    let told = read("nginx: [emerg] unknown directive \"sever\" in /etc/nginx/conf.d/a.conf:3", "").unwrap();
    assert_eq!(
        (told.path.as_deref(), told.line, told.value.as_deref()),
        (Some("/etc/nginx/conf.d/a.conf"), Some(3), Some("sever"))
    );
    let told = read("error parsing /etc/app/config.yaml: yaml: line 12: did not find expected key", "").unwrap();
    assert_eq!(
        (told.family, told.path.as_deref(), told.line),
        (Some(Family::Invalid), Some("/etc/app/config.yaml"), Some(12))
    );
}

#[test]
fn calm_lines_have_no_family() {
    for line in [
        "ready",
        "GET / 200 3ms",
        "connected to db:5432",
        "retry=3 timeout=30s",
        "loaded /etc/app/config.yaml",
        "serving on port 8080",
        "",
    ] {
        assert_eq!(read(line, ""), None, "{line}");
    }
}
