use api::shared::SignalType;

use super::*;

#[test]
fn a_host_with_a_slip() {
    let text = server("catalog", 8080) + &service("catalog", "catalog", 80, "http");
    let found = outage(&(text.clone() + &client("web", "CATALOG_URL", "http://catalogg:80/items")));
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.containers[0].env[0].value"));
    assert_eq!((found.signal, found.about.name.as_str()), (SignalType::ServiceError, "web"));
    says(&found, &["CATALOG_URL", "catalogg", "does not exist", "did you mean catalog?"]);
    assert!(found.words.iter().any(|word| word == "catalogg"));
    silent(&(text.clone() + &client("web", "CATALOG_URL", "http://catalog:80/items")));
    // Not certain: it may be a name of the world outside.
    let found = quiet(&(text.clone() + &client("web", "CATALOG_URL", "http://warehouse:9999")));
    assert_eq!(found.len(), 1);
    quiet(&(text.clone() + &server("db", 1) + &service("db", "db", 1, "1") + &client("web", "OTHER_HOST", "db1")));
    // What nobody needs to run.
    quiet(&(text + &client("web", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://catalogg:80")));
}

#[test]
fn a_full_name_can_only_be_of_the_cluster() {
    for host in ["ledger.shop.svc", "ledger.shop.svc.cluster.local", "ledger.shop.svc.cluster.local."] {
        let found = outage(&client("web", "LEDGER_ADDR", &format!("{host}:9000")));
        says(&found, &["ledger", "does not exist"]);
    }
    let bank = "---\nkind: Namespace\napiVersion: v1\nmetadata: {name: bank}\n---\nkind: Service\napiVersion: v1\nmetadata: {name: ledger, namespace: bank}\nspec: {ports: [{port: 9000}]}\n";
    silent(&(bank.to_owned() + &client("web", "LEDGER_ADDR", "ledger.bank.svc:9000")));
    silent(&(bank.to_owned() + &client("web", "LEDGER_ADDR", "ledger.bank:9000")));
    let found = outage(&(bank.to_owned() + &client("web", "LEDGER_ADDR", "ledgr.bank.svc.cluster.local:9000")));
    says(&found, &["of namespace bank", "did you mean ledger?"]);
    let found = outage(&(bank.to_owned() + &client("web", "LEDGER_ADDR", "ledger.bnak.svc:9000")));
    says(&found, &["namespace bnak", "did you mean bank?"]);
}

#[test]
fn names_of_the_world_are_left_alone() {
    for value in [
        "https://api.example.com/v1",
        "db.corp.example:5432",
        "10.1.2.3:80",
        "http://localhost:8080",
        "127.0.0.1",
        "http://$(MISSING)/x",
        "s3://bucket/key",
        "user:secret",
        "mail.web.de",
    ] {
        silent(&client("web", "PARTNER_URL", value));
    }
    for (variable, value) in [
        ("HOSTNAME", "web-1"),
        ("SERVER_HOST", "frontend"),
        ("IMAGE", "postgres:16"),
        ("MODE", "standalone"),
        ("PUBLIC_URL", "http://front"),
    ] {
        silent(&client("web", variable, value));
    }
    let aliased = client("web", "PARTNER_URL", "http://partner.shop.svc:80").replace(
        "      containers:",
        "      hostAliases: [{ip: 10.0.0.1, hostnames: [partner.shop.svc]}]\n      containers:",
    );
    silent(aliased.split("---\napiVersion: v1\nkind: Pod").next().unwrap());
}

#[test]
fn siblings_know_the_name() {
    let text = server("library-db", 5432)
        + &service("library-db", "library-db", 5432, "5432")
        + "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: settings}\ndata: {BOOKS_HOST: library-db}\n"
        + &running("shelf", "containers:\n- name: main\n  image: i\n  envFrom: [{configMapRef: {name: settings}}]");
    silent(&text);
    let found = outage(&(text.clone() + &client("desk", "BOOKS_HOST", "library-db-prod")));
    assert_eq!(at(&found).0, "Deployment");
    says(&found, &["BOOKS_HOST=library-db-prod", "does not exist", "did you mean library-db?"]);
    // The same variable hides the one of the ConfigMap.
    let both = "containers:\n- name: main\n  image: i\n  envFrom: [{configMapRef: {name: settings}}]\n  env: [{name: BOOKS_HOST, value: library-dbb}]";
    assert_eq!(at(&outage(&(text + &running("desk", both)))).1, "desk");
}

#[test]
fn a_config_map_is_where_it_stands() {
    let with = |value: &str| {
        server("db", 5432)
            + &service("db", "db", 5432, "5432")
            + &format!(
                "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {{name: settings}}\ndata: {{DB_HOST: '{value}', DB_PORT: '5432'}}\n"
            )
            + &running("web", "containers:\n- name: main\n  image: i\n  envFrom: [{configMapRef: {name: settings}}]")
    };
    silent(&with("db"));
    let found = outage(&with("dbb.shop.svc"));
    assert_eq!(at(&found), ("ConfigMap", "settings", "data.DB_HOST"));
    says(&found, &["ConfigMap settings", "Deployment web"]);
    assert_eq!(found.about.name, "web");
    let found = outage(&with("db").replace("DB_PORT: '5432'", "DB_PORT: '5433'"));
    assert_eq!(at(&found), ("ConfigMap", "settings", "data.DB_PORT"));
    says(&found, &["DB_PORT=5433", "Service db", "5432"]);
    // As a file.
    let file = |line: &str| {
        server("db", 5432)
            + &service("db", "db", 5432, "5432")
            + &format!(
                "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {{name: files}}\ndata:\n  app.properties: |\n    # http://old:1\n    {line}\n"
            )
            + &running("web", "containers:\n- {name: main, image: i}\nvolumes:\n- {name: v, configMap: {name: files}}")
    };
    silent(&file("spring.datasource.url=jdbc:postgresql://db:5432/shop"));
    let found = outage(&file("spring.datasource.url=jdbc:postgresql://db:5433/shop"));
    assert_eq!(at(&found), ("ConfigMap", "files", "data.app.properties"));
    let found = outage(&file("spring.datasource.url=jdbc:postgresql://db.shop.svc:5433/shop"));
    says(&found, &["5433", "did you mean 5432?"]);
}

#[test]
fn a_port_that_the_service_does_not_offer() {
    let text = server("catalog", 8080) + &service("catalog", "catalog", 80, "http");
    let found = outage(&(text.clone() + &client("web", "CATALOG_URL", "http://catalog:8080")));
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.containers[0].env[0].value"));
    says(&found, &["CATALOG_URL", "port 8080", "did you mean 80?"]);
    // Two ask for the same port, and it was the Service that changed.
    let moved = text.clone()
        + &client("web", "CATALOG_URL", "http://catalog:8080")
        + &ingress("shop", "catalog", "{number: 8080}");
    let found = outage(&moved);
    assert_eq!(at(&found), ("Service", "catalog", "spec.ports[0].port"));
    let one = text.clone() + &client("web", "CATALOG_URL", "http://catalog:8080");
    let one = changed(&changed(&one, "Deployment", "web", 1, 1), "Service", "catalog", 1, 7);
    let found = outage(&one);
    assert_eq!(at(&found), ("Service", "catalog", "spec.ports[0].port"));
    says(&found, &["offers port 80 only", "8080"]);
    // The usual port of the protocol is only a guess.
    silent(&(text.clone() + &client("web", "CATALOG_URL", "http://catalog/")));
    quiet(&(text.clone() + &client("web", "CATALOG_URL", "https://catalog/")));
    // Names of headless Services lead to the pods, which have more ports than the Service says.
    silent(&(text.replace("10.0.0.9", "None") + &client("web", "CATALOG_URL", "http://catalog:8080")));
    // A port in a pair of flags.
    let flags = |port: &str| {
        text.clone()
            + &running(
                "web",
                &format!(
                    "containers:\n- name: main\n  image: i\n  args: [--catalog-host=catalog, --catalog-port, '{port}']"
                ),
            )
    };
    silent(&flags("80"));
    let found = outage(&flags("81"));
    assert_eq!(at(&found).2, "spec.template.spec.containers[0].args[2]");
    // An image is no address.
    silent(&(text + &client("web", "CATALOG_IMAGE", "catalog:12")));
}

#[test]
fn a_service_that_is_gone_is_the_cause_not_those_who_need_it() {
    let text = server("cart", 8080) + &client("web", "CART_URL", "http://cart:80");
    let found = outage(&text);
    assert_eq!(at(&found), ("Service", "cart", "metadata.name"));
    says(&found, &["Service cart does not exist", "Deployment web"]);
    let routed =
        server("cart", 8080) + &ingress("shop", "cart", "{number: 80}") + &client("web", "CART_URL", "http://cart:80");
    let found = outage(&routed);
    assert_eq!((at(&found).0, found.about.kind.as_str()), ("Service", "Ingress"));
    assert!(found.concerns.iter().any(|c| c.name == "web"));
    // Telemetry that nobody has installed, wanted by two.
    quiet(
        &(client("a", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
            + &client("b", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")),
    );
}

#[test]
fn scripts_are_read_with_their_variables() {
    let text = server("cart", 8080) + &service("cart", "cart", 80, "http");
    let script = |line: &str| {
        text.clone()
            + &running(
                "web",
                &format!(
                    "containers:\n- name: main\n  image: i\n  command: [sh, -c, '{line}']\n  env: [{{name: WHERE, value: cart.shop.svc}}]"
                ),
            )
    };
    silent(&script("wget -qO- http://$WHERE:80/ && wget http://$NOWHERE:99/"));
    let found = quiet(&script("wget -qO- http://${WHERE}:81/"));
    assert!(found.iter().any(|f| f.cause.statement.contains("81")), "{}", said(&found));
    // The variable has the host, and the script the port.
    let host = |host: &str, port: u16| {
        let env = format!("[{{name: CART_HOST, value: {host}}}]");
        let line = format!("wget -qO- http://$CART_HOST:{port}/");
        text.clone()
            + &running(
                "web",
                &format!("containers:\n- name: main\n  image: i\n  command: [sh, -c, '{line}']\n  env: {env}"),
            )
    };
    silent(&host("cart", 80));
    assert_eq!(at(&outage(&host("cartt.shop.svc", 80))).2, "spec.template.spec.containers[0].env[0].value");
    let found = outage(&host("cart", 81));
    assert_eq!(at(&found).2, "spec.template.spec.containers[0].command[2]");
    says(&found, &["CART_HOST=cart", "port 81", "did you mean 80?"]);
}

#[test]
fn pods_that_ask_the_resolver_of_the_node() {
    let text = server("cart", 8080) + &service("cart", "cart", 80, "http");
    let with = |policy: &str| {
        text.clone()
            + &running(
                "web",
                &format!(
                    "{policy}\ncontainers:\n- name: main\n  image: i\n  env: [{{name: CART_URL, value: 'http://cart:80'}}]"
                ),
            )
    };
    let found = outage(&with("dnsPolicy: Default"));
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.dnsPolicy"));
    says(&found, &["dnsPolicy Default", "ClusterFirst"]);
    let found = outage(&with("hostNetwork: true"));
    says(&found, &["ClusterFirst, which with hostNetwork means", "did you mean ClusterFirstWithHostNet?"]);
    let asks = |server: &str| {
        with(&format!("dnsPolicy: None\ndnsConfig: {{nameservers: [{server}], searches: [shop.svc.cluster.local]}}"))
    };
    let found = outage(&asks("8.8.8.8"));
    assert_eq!(at(&found).2, "spec.template.spec.dnsConfig.nameservers");
    // What a resolver of one's own knows cannot be seen.
    quiet(&asks("10.0.0.2"));
    silent(&with("dnsPolicy: ClusterFirst"));
    silent(&with("dnsPolicy: ClusterFirstWithHostNet\nhostNetwork: true"));
    silent(&(text + &running("web", "dnsPolicy: Default\ncontainers:\n- {name: main, image: i}")));
}

#[test]
fn a_short_name_of_another_namespace() {
    let bank = "---\nkind: Service\napiVersion: v1\nmetadata: {name: ledger, namespace: bank}\nspec: {ports: [{port: 9000}]}\n";
    let found = outage(&(bank.to_owned() + &client("web", "LEDGER_ADDR", "ledger:9000")));
    says(&found, &["Service ledger, which does not exist", "did you mean ledger.bank?"]);
    quiet(&(bank.to_owned() + &client("web", "LEDGER_ADDR", "ledger:9001")));
    let two = bank.to_owned() + &bank.replace("bank", "safe");
    quiet(&(two + &client("web", "LEDGER_ADDR", "ledger:9000")));
}

#[test]
fn a_value_that_is_host_and_port_of_a_service_means_it() {
    let asleep =
        (server("store", 6380) + &service("store", "store", 6380, "6380")).replacen("replicas: 1", "replicas: 0", 1);
    let asleep = asleep.split("---\n").filter(|text| !text.contains("kind: Pod")).collect::<Vec<_>>().join("---\n");
    let found = outage(&(asleep.clone() + &client("web", "STORE", "store:6380")));
    assert_eq!(at(&found), ("Deployment", "store", "spec.replicas"));
    quiet(&(asleep + &client("web", "STORE", "store:99")));
}
