//! Real traces of each language, forms of loggers, repeats, and what no log should be.

use std::fmt::Write as _;

use super::*;

fn reading(text: &str) -> Reading {
    of_lines(&text.lines().map(str::to_owned).collect::<Vec<_>>())
}

/// Text and frame of the decisive entry.
fn said(text: &str) -> (String, Option<String>) {
    let found = reading(text);
    let entry = found.decisive().unwrap_or_else(|| panic!("nothing in {text}")).clone();
    (entry.text, entry.frame)
}

fn is(text: &str, message: &str, frame: Option<&str>) {
    let (said, at) = said(text);
    assert_eq!((said.as_str(), at.as_deref()), (message, frame), "{:#?}", reading(text).entries);
}

#[test]
fn go() {
    let panic = "2024/11/25 10:00:00 starting
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a2b3c]

goroutine 1 [running]:
main.(*Store).Load(0x0)
\t/src/store.go:42 +0x1d
main.main()
\t/src/main.go:12 +0x2a

goroutine 6 [select]:
net/http.(*Transport).dialConn()
\t/usr/local/go/src/net/http/transport.go:1 +0x1
exit status 2";
    is(panic, "panic: runtime error: invalid memory address or nil pointer dereference", Some("/src/store.go:42"));
    let library = "panic: dial tcp: lookup db: no such host

goroutine 1 [running]:
github.com/x/sqlx.MustConnect({0x1, 0x2})
\t/go/pkg/mod/github.com/x/sqlx@v1.3.5/sqlx.go:88 +0x5f
main.main()
\t/src/cmd/main.go:31 +0x85";
    is(library, "panic: dial tcp: lookup db: no such host", Some("/src/cmd/main.go:31"));
    assert_eq!(reading(library).decisive().and_then(|e| e.told.clone()).and_then(|t| t.host).as_deref(), Some("db"));
}

#[test]
fn java() {
    let spring = "2024-11-25T10:00:00.000Z ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed

org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'dataSource'
\tat org.springframework.beans.factory.support.ConstructorResolver.instantiate(ConstructorResolver.java:658) ~[spring-beans-6.0.jar!/:6.0]
\tat com.acme.shop.Application.main(Application.java:14) ~[classes!/:na]
Caused by: com.zaxxer.hikari.pool.HikariPool$PoolInitializationException: Failed to initialize pool: Connection to orders-db:5432 refused.
\tat com.zaxxer.hikari.pool.HikariPool.throwPoolInitializationException(HikariPool.java:596)
\t... 12 common frames omitted
Caused by: java.net.ConnectException: Connection refused
\tat java.base/sun.nio.ch.Net.pollConnect(Native Method)
\tat java.base/java.net.Socket.connect(Socket.java:633)
\t... 20 more";
    is(
        spring,
        "java.net.ConnectException: Connection refused",
        Some("com.acme.shop.Application.main(Application.java:14)"),
    );
    let told = reading(spring).decisive().and_then(|entry| entry.told.clone()).unwrap();
    assert_eq!((told.family, told.host.as_deref(), told.port), (Some(Family::Refused), Some("orders-db"), Some(5432)));
    let plain = "Exception in thread \"main\" java.lang.IllegalStateException: DB_URL is not set
\tat com.acme.Config.require(Config.java:20)
\tat com.acme.Main.main(Main.java:5)";
    is(plain, "java.lang.IllegalStateException: DB_URL is not set", Some("com.acme.Config.require(Config.java:20)"));
    let suppressed = "java.lang.RuntimeException: cannot close
\tat com.acme.Main.run(Main.java:9)
\tSuppressed: java.io.IOException: stream closed
\t\tat com.acme.Stream.close(Stream.java:3)
\t\t... 2 more";
    is(suppressed, "java.lang.RuntimeException: cannot close", Some("com.acme.Main.run(Main.java:9)"));
    // The log was cut above the message.
    let cut = "\tat com.acme.A.a(A.java:1)
\tat com.acme.B.b(B.java:2)
Caused by: java.net.UnknownHostException: broker
\tat java.base/java.net.InetAddress.getAllByName(InetAddress.java:1)
\t... 9 more";
    assert_eq!(said(cut).0, "java.net.UnknownHostException: broker");
}

#[test]
fn python() {
    let simple = "INFO:root:starting
Traceback (most recent call last):
  File \"/app/main.py\", line 12, in <module>
    main()
  File \"/app/config.py\", line 7, in main
    url = os.environ[\"DATABASE_URL\"]
          ~~~~~~~~~~^^^^^^^^^^^^^^^^
  File \"/usr/lib/python3.12/os.py\", line 714, in __getitem__
    raise KeyError(key) from None
KeyError: 'DATABASE_URL'";
    is(simple, "KeyError: 'DATABASE_URL'", Some("/app/config.py:7"));
    let caused = "Traceback (most recent call last):
  File \"/app/db.py\", line 3, in connect
    sock.connect(address)
ConnectionRefusedError: [Errno 111] Connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"/app/main.py\", line 9, in <module>
    connect()
  File \"/usr/local/lib/python3.12/site-packages/requests/adapters.py\", line 5, in send
    raise ConnectionError(e)
requests.exceptions.ConnectionError: HTTPConnectionPool(host='orders', port=8080): Max retries exceeded
bye";
    is(caused, "ConnectionRefusedError: [Errno 111] Connection refused", Some("/app/db.py:3"));
    let told = reading(caused).decisive().and_then(|entry| entry.told.clone()).unwrap();
    assert_eq!((told.host.as_deref(), told.port), (Some("orders"), Some(8080)));
    let handling = "Traceback (most recent call last):
  File \"/app/a.py\", line 1, in f
    cache[key]
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/app/a.py\", line 4, in <module>
    open(path)
FileNotFoundError: [Errno 2] No such file or directory: '/etc/app/a.ini'";
    is(handling, "FileNotFoundError: [Errno 2] No such file or directory: '/etc/app/a.ini'", Some("/app/a.py:4"));
}

#[test]
fn node() {
    let text = "/app/node_modules/pg/lib/client.js:132
      throw err
      ^

Error: connect ECONNREFUSED 10.96.7.7:5432
    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)
    at async connect (/app/src/db.js:10:5) {
  errno: -111,
  code: 'ECONNREFUSED',
  syscall: 'connect',
  address: '10.96.7.7',
  port: 5432
}

Node.js v18.17.0";
    is(text, "Error: connect ECONNREFUSED 10.96.7.7:5432", Some("/app/src/db.js:10"));
    let cause = "TypeError: fetch failed
    at node:internal/deps/undici/undici:12345:11
    at async main (file:///app/index.mjs:3:1) {
  [cause]: Error: getaddrinfo ENOTFOUND payments
      at GetAddrInfoReqWrap.onlookup [as oncomplete] (node:dns:107:26) {
    errno: -3008,
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
    hostname: 'payments'
  }
}";
    is(cause, "Error: getaddrinfo ENOTFOUND payments", Some("/app/index.mjs:3"));
    let own = "/app/server.js:4
  throw new Error('PORT is missing');
  ^

Error: PORT is missing
    at Object.<anonymous> (/app/server.js:4:9)
    at Module._compile (node:internal/modules/cjs/loader:1256:14)";
    is(own, "Error: PORT is missing", Some("/app/server.js:4"));
}

#[test]
fn rust() {
    let new = "thread 'main' panicked at src/main.rs:12:5:
called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
    is(
        new,
        "called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }",
        Some("src/main.rs:12"),
    );
    let old = "thread 'tokio-runtime-worker' panicked at 'DB_URL must be set', src/config.rs:9:10
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:1:1
   1: app::config::load
             at ./src/config.rs:9:10";
    is(old, "DB_URL must be set", Some("src/config.rs:9"));
    let returned = "Error: cannot load /etc/app/app.toml

Caused by:
    0: cannot read it
    1: No such file or directory (os error 2)";
    is(returned, "cannot read it: No such file or directory (os error 2)", None);
    let told = reading(returned).decisive().and_then(|entry| entry.told.clone()).unwrap();
    assert_eq!((told.family, told.path.as_deref()), (Some(Family::FileMissing), Some("/etc/app/app.toml")));
}

#[test]
fn dotnet() {
    let text = "Unhandled exception. System.AggregateException: One or more hosted services failed
 ---> System.Net.Sockets.SocketException (111): Connection refused
   at System.Net.Sockets.Socket.DoConnect(EndPoint endPointSnapshot)
   at Acme.Queue.Consumer.Start() in /src/Consumer.cs:line 31
   --- End of inner exception stack trace ---
   at Acme.Program.Main(String[] args) in /src/Program.cs:line 8";
    is(text, "System.Net.Sockets.SocketException (111): Connection refused", Some("/src/Consumer.cs:31"));
    let plain =
        "Unhandled exception. System.InvalidOperationException: The ConnectionString property has not been initialized.
   at Acme.Db.Open() in /src/Db.cs:line 4";
    is(
        plain,
        "System.InvalidOperationException: The ConnectionString property has not been initialized.",
        Some("/src/Db.cs:4"),
    );
}

#[test]
fn structured_lines_are_read() {
    let json = r#"{"level":"info","msg":"starting"}
{"level":"warn","msg":"optional file missing, using defaults","path":"/x"}
{"level":"error","msg":"cannot connect","error":"dial tcp: connection refused","host":"orders","port":8080}
{"level":"info","msg":"shutting down"}"#;
    let found = reading(json);
    let entry = found.decisive().unwrap();
    assert_eq!(entry.text, "cannot connect: dial tcp: connection refused");
    let told = entry.told.clone().unwrap();
    assert_eq!((told.host.as_deref(), told.port), (Some("orders"), Some(8080)));
    let stack = r#"{"level":"error","message":"boom","stack_trace":"java.lang.IllegalStateException: no broker\n\tat com.acme.A.b(A.java:3)\n\tat com.acme.Main.main(Main.java:1)\n"}"#;
    is(stack, "java.lang.IllegalStateException: no broker", Some("com.acme.A.b(A.java:3)"));
    is(
        "time=1 level=error msg=\"cannot open\" err=\"open /a/b: no such file or directory\"",
        "cannot open: open /a/b: no such file or directory",
        None,
    );
}

#[test]
fn what_is_indented_belongs_to_the_message_above() {
    let text = "could not connect to server: Connection refused
\tIs the server running on host \"db\" (10.1.2.3) and accepting
\tTCP/IP connections on port 5432?";
    let found = reading(text);
    assert_eq!(found.entries.len(), 1);
    let told = found.decisive().and_then(|entry| entry.told.clone()).unwrap();
    assert_eq!((told.host.as_deref(), told.port), (Some("db"), Some(5432)));
}

#[test]
fn repeats_fold_and_the_reason_beats_its_consequences() {
    let mut text = String::from("2024-11-25T10:00:00Z INFO starting\n");
    for n in 0..20 {
        let _ = writeln!(
            text,
            "2024-11-25T10:00:{n:02}Z ERROR attempt {n}: dial tcp 10.96.0.9:5432: connect: connection refused"
        );
    }
    text.push_str("2024-11-25T10:00:30Z FATAL giving up after 20 attempts\n");
    let found = reading(&text);
    assert_eq!(found.entries.len(), 3);
    let entry = found.decisive().unwrap();
    assert_eq!(
        (entry.count, entry.text.as_str()),
        (20, "attempt 19: dial tcp 10.96.0.9:5432: connect: connection refused")
    );
    assert!(found.lines()[1].ends_with("(×20)"), "{:?}", found.lines());
    // A missing optional file is not why it ends.
    let text = "WARN cannot read /etc/app/extra.yaml: no such file or directory, using defaults
FATAL index out of range";
    assert_eq!(said(text).0, "FATAL index out of range");
    // Nothing sounds like trouble: the last line, and no trouble.
    let calm = reading("hello\nbye");
    assert_eq!((calm.decisive().unwrap().text.as_str(), calm.trouble()), ("bye", None));
    assert_eq!(reading("").decisive(), None);
}

#[test]
fn ports_that_a_process_says_it_serves() {
    assert_eq!(reading("orders serves on port 8081").listens, [8081]);
    assert_eq!(reading("Tomcat started on port(s): 8080 (http)").listens, [8080]);
    assert_eq!(reading("Listening on http://0.0.0.0:3000").listens, [3000]);
    assert_eq!(reading("error: cannot listen on port 80").listens, Vec::<u16>::new());
    assert_eq!(reading("started in 4200 ms").listens, Vec::<u16>::new());
}

#[test]
fn hostile_logs_are_bounded_and_clean() {
    let huge = format!("error {}", "x".repeat(1 << 20));
    let binary: String = (0..400).map(|n| if n % 2 == 0 { '\u{fffd}' } else { '\u{3}' }).collect();
    let lines = vec![
        huge,
        binary,
        "\u{1b}[31mERROR\u{1b}[0m \u{1b}]0;title\u{7}cannot \u{202e}open\u{200b}\u{0}".to_owned(),
        "10%\r50%\r100%".to_owned(),
        "======".to_owned(),
        "at at at (((((:::::".repeat(2000),
        "Caused by: ".repeat(3000),
        "Traceback (most recent call last):".to_owned(),
    ];
    let started = std::time::Instant::now();
    let found = of_lines(&lines);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    assert!(found.entries.iter().all(|e| e.text.chars().count() <= TEXT && !e.text.chars().any(char::is_control)));
    assert!(found.entries.iter().any(|e| e.text == "ERROR cannot open"), "{:#?}", found.lines());
    assert!(found.entries.iter().any(|e| e.text == "100%"));
    assert!(!found.entries.iter().any(|e| e.text.contains("===")));
    // Ten thousand lines that all begin a trace, and one that never ends.
    for line in [
        "java.lang.Error: x",
        "Traceback (most recent call last):",
        "panic: x",
        "    at a.b(C.java:1)",
        "thread 'a' panicked at x:1:1:",
        "/a.js:1",
        "Error: x",
    ] {
        let lines = vec![line.to_owned(); 10_000];
        assert!(of_lines(&lines).entries.len() <= ENTRIES, "{line}");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn words_are_whole() {
    assert!(mentions("open db-1: failed", "db-1") && !mentions("mydb-1", "db-1"));
    assert!(names("lookup orders: x", "orders") && !names("lookup orders-db: x", "orders"));
    assert!(!mentions("a b", "b"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Whatever a log says, reading it ends, stays small and gives text that can be shown.
    #[test]
    fn any_log_is_read(lines in proptest::collection::vec("(Caused by: |    at a.b(C.java:1)|Traceback \\(most recent call last\\):|  File \"/a.py\", line 1, in f|panic: |goroutine 1 \\[running\\]:|thread 'main' panicked at |Error: |\\{\"level\":\"error\",\"msg\":|level=error msg=\"|dial tcp |lookup |: connection refused|\t|\\}|é|\u{1b}\\[31m|\\PC){0,12}", 0..60)) {
        let found = of_lines(&lines);
        proptest::prop_assert!(found.entries.len() <= ENTRIES);
        for entry in &found.entries {
            proptest::prop_assert!(entry.text.chars().count() <= TEXT && !entry.text.chars().any(char::is_control));
            proptest::prop_assert!(entry.quote().chars().count() < 250);
        }
        let _ = found.lines();
    }
}
