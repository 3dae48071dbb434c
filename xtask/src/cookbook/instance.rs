//! Section 2: the Instance, its certificate, its Secrets, and what they lead to.

use super::Account;
use super::shell::Shell;

/// The claims of two replicas; a bare cluster has nobody who makes volumes.
const VOLUMES: &str = r"for n in 0 1; do cat <<EOF
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: cookbook-$n}
spec:
  capacity: {storage: 5Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  hostPath: {path: /var/lib/chatcli-cookbook-$n, type: DirectoryOrCreate}
EOF
done | kubectl apply -f -";

/// The certificate, as the text makes it.
const CERTIFICATE: &str = r"cat > openssl.cnf <<'EOF'
[req]
distinguished_name = req_dn
x509_extensions = v_ext
prompt = no
[req_dn]
CN = chatcli-prod.chatcli-system.svc.cluster.local
[v_ext]
subjectAltName = @alt_names
[alt_names]
DNS.1 = chatcli-prod.chatcli-system.svc.cluster.local
DNS.2 = chatcli-prod.chatcli-system.svc
DNS.3 = chatcli-prod
DNS.4 = localhost
EOF
openssl req -x509 -newkey rsa:4096 -sha256 -days 825 -nodes \
-keyout tls.key -out tls.crt -config openssl.cnf -extensions v_ext";

/// The Secret, as the text makes it.
pub const SECRET: &str = "kubectl -n chatcli-system create secret generic chatcli-tls \\\n--from-file=tls.crt=tls.crt \\\n--from-file=tls.key=tls.key \\\n--from-file=ca.crt=tls.crt";

/// Runs the section.
///
/// # Errors
/// When what follows would make no sense.
pub fn run(account: &mut Account, shell: &Shell) -> anyhow::Result<()> {
    shell.quiet(VOLUMES)?;
    shell.quiet("kubectl apply -f $DEMO/shop.yaml")?;
    account
        .promised("kubectl apply of the Instance", shell.run("kubectl apply -f $COOKBOOK/01-instance.yaml").map(drop));

    // The text never makes the token's Secret; whoever follows it must be told, with the line.
    let told = shell.condition("chatcli-prod", "SecretsReady", "False", "chatcli-auth");
    let message = told.as_ref().map(String::clone).unwrap_or_default();
    account.promised("a missing Secret is named in the condition SecretsReady", told.map(drop));
    let line = create_line(&message, "chatcli-auth");
    account.promise("… with the line that makes it", line.is_some(), &message);
    if let Some(line) = line {
        account.promised("… which works as it stands there", shell.run(&line).map(drop));
    }

    account.promised("openssl makes the certificate", shell.run(CERTIFICATE).map(drop));
    let names = shell.run("openssl x509 -in tls.crt -noout -text | grep -A1 'Subject Alternative Name'")?;
    account.promise(
        "its names are the Service's",
        names.contains("DNS:chatcli-prod.chatcli-system.svc.cluster.local"),
        &names,
    );
    account.promised("kubectl create secret generic chatcli-tls", shell.run(SECRET).map(drop));

    account.promised(
        "kubectl wait --for=condition=Available",
        shell
            .run("kubectl -n chatcli-system wait --for=condition=Available instance/chatcli-prod --timeout=180s")
            .map(drop),
    );
    for condition in ["SecretsReady", "TLSReady", "ProviderReady", "Connected", "WatcherReady", "Available"] {
        account.promised(
            &format!("condition {condition}"),
            shell.condition("chatcli-prod", condition, "True", "").map(drop),
        );
    }
    let endpoints = shell.run("kubectl get endpoints chatcli-prod -n chatcli-system")?;
    account.promise("it lists addresses of pods", endpoints.contains(":50051"), &endpoints);
    let addresses = shell
        .quiet("kubectl get endpoints chatcli-prod -n chatcli-system -o jsonpath='{.subsets[*].addresses[*].ip}'")?;
    account.promise("two replicas stand behind the Service", addresses.split_whitespace().count() == 2, &addresses);
    let volumes = shell.quiet("kubectl -n chatcli-system get pvc -o jsonpath='{.items[*].status.phase}'")?;
    account.promise("each replica has its own volume", volumes == "Bound Bound", &volumes);

    shell.quiet("kubectl config set-context --current --namespace=chatcli-system")?;
    account.promised(
        "helm upgrade --set prometheusUrl (in the context's namespace)",
        shell
            .run("helm upgrade chatcli-operator oci://ghcr.io/diillson/charts/chatcli-operator \\\n--set prometheusUrl=\"http://prometheus-server.monitoring.svc:9090\"")
            .map(drop),
    );
    let env = shell.quiet("kubectl -n chatcli-system get deployment chatcli-operator -o jsonpath='{.spec.template.spec.containers[0].env[?(@.name==\"PROMETHEUS_URL\")].value}'")?;
    account.promise("the operator has PROMETHEUS_URL", env == "http://prometheus-server.monitoring.svc:9090", &env);
    account.promised(
        "the Instance is Available for the new operator",
        shell
            .quiet("kubectl -n chatcli-system rollout status deployment/chatcli-operator --timeout=120s && kubectl -n chatcli-system wait --for=condition=Available instance/chatcli-prod --timeout=120s")
            .map(drop),
    );
    Ok(())
}

/// A fault in a watched workload goes through the platform in the cluster. The keys are the text's, which no provider takes,
/// so that the analysis also shows what becomes of it without one.
pub fn incident(account: &mut Account, shell: &Shell) {
    let broken = shell.quiet("kubectl -n production set image deployment/api-gateway app=chatcli/demo-service:9.9.9");
    account.promised("a bad image is rolled out to a watched workload", broken.map(drop));
    account.promised(
        "its Issue is opened and explained",
        shell
            .until("kubectl -n production get issues -o jsonpath='{.items[*].status.rootCause.statement}'", |said| {
                said.contains("9.9.9")
            })
            .map(drop),
    );
    account.promised(
        "… by the rules alone, with the reason why the provider did not answer",
        shell
            .until("kubectl -n production get aiinsights -o jsonpath='{.items[*].status.fallbackReason}'", |why| {
                why.contains("CLAUDEAI")
            })
            .map(drop),
    );
    account.promised(
        "… which ProviderReady says too, with its remedy",
        shell.condition("chatcli-prod", "ProviderReady", "False", "remedy").map(drop),
    );
    let _ = shell.look("kubectl -n production rollout undo deployment/api-gateway");
}

/// The `kubectl create secret` line of a message that is about a Secret.
fn create_line(message: &str, secret: &str) -> Option<String> {
    let lines = message.split("kubectl ").skip(1).map(|rest| {
        let line = rest.split([';', '\n', '`']).next().unwrap_or(rest);
        format!("kubectl {}", line.trim().trim_end_matches('.'))
    });
    lines.filter(|line| line.contains("create secret")).find(|line| line.contains(secret))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_line_of_the_right_secret_is_taken_out_of_a_message() {
        let message = "False Missing: Secret chatcli-tls does not exist; remedy: kubectl -n n create secret tls chatcli-tls --cert=a; Secret chatcli-auth does not exist; remedy: kubectl -n n create secret generic chatcli-auth --from-literal=token=$(openssl rand -hex 32)";
        assert_eq!(
            super::create_line(message, "chatcli-auth").as_deref(),
            Some("kubectl -n n create secret generic chatcli-auth --from-literal=token=$(openssl rand -hex 32)")
        );
        assert_eq!(super::create_line("nothing", "chatcli-auth"), None);
    }
}
