//! Scripts that ask for Services, and pods that wait for them.

use super::super::scripts::asked;
use super::*;

fn tools(script: &str) -> Vec<(String, Option<u16>)> {
    asked(script).into_iter().map(|found| (found.host, found.port)).collect()
}

#[test]
fn tools_and_what_they_ask() {
    let is =
        |script: &str, host: &str, port: Option<u16>| assert_eq!(tools(script), [(host.to_owned(), port)], "{script}");
    is("until nc -z -w 2 db 5432 </dev/null; do sleep 1; done", "db", Some(5432));
    is("while ! /bin/nc -zw1 db 5432 2>&1 | cat; do :; done", "db", Some(5432));
    is("until nslookup cart.shop.svc.cluster.local; do echo wait; done", "cart.shop.svc.cluster.local", None);
    is("getent hosts 'cart' || exit 1", "cart", None);
    is("until pg_isready -h db -p 5433 -U app; do sleep 1; done", "db", Some(5433));
    is("mysqladmin ping --host=db --silent", "db", None);
    for none in [
        "nc -l -p 8080",
        "echo nc",
        "nc \"$HOST\" 80",
        "cat /etc/hosts",
        "nc db",
        "# nc db 80",
        "httpd -f -h /srv -p 80",
    ] {
        assert_eq!(tools(none), [], "{none}");
    }
}

fn waiting(script: &str, env: &str) -> String {
    let init = format!("initContainers:\n- name: wait\n  image: i\n  command: [sh, -c, '{script}']\n  env: [{env}]");
    running("web", &format!("{init}\ncontainers:\n- {{name: main, image: i}}"))
}

#[test]
fn a_pod_that_waits_for_what_nobody_made() {
    let late = |text: String| text.replace("status: 'True'", "status: 'False'");
    let host = "{name: CACHE_HOST, value: cache}";
    let bad = waiting("until nc -w 1 \"$CACHE_HOST\" 6400; do sleep 2; done", host);
    let found = outage(&late(bad.clone()));
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.initContainers[0].env[0].value"));
    says(&found, &["CACHE_HOST=cache", "Service cache, which does not exist"]);
    assert_eq!(found.hold, 20);
    let found = outage(&late(waiting("until nslookup cache; do sleep 2; done", "")));
    says(&found, &["Service cache, which does not exist"]);
    // It has started, so it can do without; or the Service is there.
    quiet(&bad);
    silent(&late(bad + &server("cache", 6400) + &service("cache", "cache", 6400, "6400")));
}

#[test]
fn variables_that_the_kubelet_makes() {
    let script = |text: &str, env: &str| {
        running("web", &format!("containers:\n- name: main\n  image: i\n  command: [sh, -c, '{text}']\n  env: [{env}]"))
    };
    let bad = script("nc $CART_STORE_SERVICE_HOST 80", "");
    says(&quiet(&bad)[0], &["$CART_STORE_SERVICE_HOST", "Service cart-store, which does not exist"]);
    // Its pods are there.
    says(&outage(&(bad.clone() + &server("cart-store", 8080))), &["Service cart-store does not exist"]);
    silent(&(bad + &server("cart", 8080) + &service("cart-store", "cart", 80, "http")));
    silent(&script("nc ${CART_STORE_SERVICE_HOST:-cart.example.org} 80", ""));
    silent(&script("nc $CART_STORE_SERVICE_HOST 80", "{name: CART_STORE_SERVICE_HOST, value: 192.0.2.7}"));
    silent(&script("CART_STORE_SERVICE_HOST=cart.example.org; nc $CART_STORE_SERVICE_HOST 80", ""));
    let sealed = "{name: CART_STORE_SERVICE_HOST, valueFrom: {secretKeyRef: {name: s, key: k}}}";
    silent(&script("nc $CART_STORE_SERVICE_HOST 80", sealed));
    silent(&script("nc $KUBERNETES_SERVICE_HOST 443", ""));
}

#[test]
fn probes_that_ask_others() {
    let probed = |script: &str, ready: &str| {
        let probe = format!("readinessProbe: {{exec: {{command: [sh, -c, '{script}']}}}}");
        running("web", &format!("containers:\n- name: main\n  image: i\n  {probe}"))
            .replace("status: 'True'", &format!("status: '{ready}'"))
    };
    let found = outage(&probed("nc -z cache 6400", "False"));
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.containers[0].readinessProbe.exec.command"));
    says(&found, &["Service cache, which does not exist"]);
    quiet(&probed("nc -z cache 6400", "True"));
    silent(&probed("nc -z localhost 6400", "False"));
    let cache = server("cache", 6400) + &service("cache", "cache", 6400, "6400");
    silent(&(cache.clone() + &probed("nc -z cache 6400", "True")));
    says(&outage(&(cache + &probed("wget -qO- http://cache:6401/", "True"))), &["port 6401, which it does not offer"]);
}

#[test]
fn files_of_servers_of_the_web() {
    let served = |file: &str| {
        let lines = file.replace('\n', "\n    ");
        running("web", "containers:\n- {name: main, image: i}\nvolumes: [{name: v, configMap: {name: site}}]")
            + &format!(
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: site}}\ndata:\n  site.conf: |\n    {lines}\n"
            )
            + &server("cart", 8080)
            + &service("cart", "cart", 80, "http")
    };
    let found = outage(&served("location / {\n  proxy_pass http://cart:81;\n}"));
    assert_eq!(at(&found), ("ConfigMap", "site", "data.site.conf"));
    says(&found, &["port 81", "did you mean 80?"]);
    says(&outage(&served("proxy_pass http://cartt/;")), &["Service cartt, which does not exist", "did you mean cart?"]);
    silent(&served("proxy_pass http://cart:80/;\nlisten 8080;\nserver_name cartt.example.org;"));
    silent(&served("upstream cartt {\n  server cart:80;\n}\nproxy_pass http://cartt/;"));
    silent(&served("# proxy_pass http://cart:81;"));
}

#[test]
fn ports_behind_the_variables_that_the_kubelet_makes() {
    let cart = server("cart", 8071) + &service("cart", "cart", 8000, "http");
    let probed = |script: &str| {
        let probe = format!("readinessProbe: {{exec: {{command: [sh, -c, '{script}']}}}}");
        running("web", &format!("containers:\n- name: main\n  image: i\n  {probe}")) + &cart
    };
    let bad = probed("nc -w 1 $CART_SERVICE_HOST 80 </dev/null && test -s /srv/index.html");
    let found = outage(&bad);
    assert_eq!(at(&found), ("Deployment", "web", "spec.template.spec.containers[0].readinessProbe.exec.command"));
    says(&found, &["$CART_SERVICE_HOST", "asks Service cart for port 80", "did you mean 8000?"]);
    // The Service was changed since.
    let since = changed(&changed(&bad, "Deployment", "web", 0, 1), "Service", "cart", 0, 9);
    let found = outage(&since);
    assert_eq!(at(&found), ("Service", "cart", "spec.ports[0].port"));
    says(&found, &["Service cart offers port 8000 only", "asks it for port 80; did you mean 80?"]);
    says(&outage(&probed("wget -qO- http://${CART_SERVICE_HOST}:8001/ready")), &["port 8001"]);
    for good in [
        "nc -w 1 $CART_SERVICE_HOST 8000",
        "wget -qO- http://$CART_SERVICE_HOST:8000/ready",
        "wget -qO- http://$CART_SERVICE_HOST:$CART_SERVICE_PORT/ready",
        "nc -w 1 $CART_SERVICE_HOST $CART_SERVICE_PORT",
        "nc -w 1 localhost 80 && echo $CART_SERVICE_HOST",
        "nc -w 1 ${CART_SERVICE_HOST:-cart.example.org} 80",
    ] {
        silent(&probed(good));
    }
    // A process may ask in vain and go on.
    let script = "while true; do nc $CART_SERVICE_HOST 80; sleep 9; done";
    let own = running("web", &format!("containers:\n- name: main\n  image: i\n  command: [sh, -c, '{script}']"));
    says(&quiet(&(own + &cart))[0], &["port 80", "did you mean 8000?"]);
}
