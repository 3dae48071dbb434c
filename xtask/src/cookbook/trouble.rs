//! Section 12: each row of the table, broken on purpose, read in the log and in the condition, found by the doctor, and
//! mended by the row's own advice without a restart.

use super::Account;
use super::instance::{SECRET, incident};
use super::shell::Shell;

/// Puts other files into the Secret.
fn replace_secret(files: &str) -> String {
    format!(
        "kubectl -n chatcli-system create secret generic chatcli-tls {files} --dry-run=client -o yaml | kubectl -n chatcli-system replace -f -"
    )
}

/// Runs the section.
///
/// # Errors
/// When the cluster does not answer.
pub fn run(account: &mut Account, shell: &Shell) -> anyhow::Result<()> {
    let healthy = shell.look("chatcli doctor");
    account.promise("the doctor finds nothing that does not work", !healthy.contains("FAIL"), &healthy);

    shell.quiet(
        "openssl req -x509 -newkey rsa:2048 -days 30 -nodes -keyout plain.key -out plain.crt -subj /CN=chatcli",
    )?;
    shell.quiet(&replace_secret(
        "--from-file=tls.crt=plain.crt --from-file=tls.key=plain.key --from-file=ca.crt=plain.crt",
    ))?;
    row(
        account,
        shell,
        "x509: certificate is not valid for any names, but wanted to match chatcli-prod.chatcli-system.svc.cluster.local",
        "subjectAltName",
    );
    mend(account, shell)?;

    shell.quiet(&replace_secret("--from-file=tls.crt=tls.crt --from-file=tls.key=tls.key"))?;
    row(account, shell, "x509: certificate signed by unknown authority", "ca.crt");
    mend(account, shell)?;

    let pod = shell.quiet("kubectl -n chatcli-system get pods -l app.kubernetes.io/instance=chatcli-prod -o jsonpath='{.items[0].status.podIP}'")?;
    shell.quiet(&format!(
        r#"kubectl -n chatcli-system patch instance chatcli-prod --type=merge -p '{{"spec":{{"server":{{"address":"{pod}:1"}}}}}}'"#
    ))?;
    row(account, shell, "connection refused", "kubectl get endpoints");
    shell.quiet(r#"kubectl -n chatcli-system patch instance chatcli-prod --type=json -p '[{"op":"remove","path":"/spec/server/address"}]'"#)?;
    account.promised("… and without the wrong address it is Available again", available(shell));

    incident(account, shell);

    shell.quiet("kubectl -n chatcli-system delete instance chatcli-prod --timeout=60s")?;
    account.promised(
        "without a ready Instance the log says `no ready Instance found` again",
        shell
            .until(
                "kubectl -n chatcli-system logs -l app.kubernetes.io/name=chatcli-operator --tail=30 --since=60s",
                |log| log.contains("no ready Instance found"),
            )
            .map(drop),
    );
    let said = shell.look("chatcli doctor");
    account.promise(
        "the doctor says `no ready Instance found` with its fix",
        said.contains("no ready Instance found") && said.contains("remedy"),
        &said,
    );
    let left = shell.quiet("kubectl -n chatcli-system get deploy,sts,svc,cm,role,rolebinding,sa -l app.kubernetes.io/instance=chatcli-prod -o name")?;
    account.promise("nothing of a deleted Instance is left but its volumes", left.trim().is_empty(), &left);
    account.promised(
        "helm uninstall does not hang",
        shell.quiet("helm uninstall chatcli-operator -n chatcli-system --timeout 60s").map(drop),
    );
    Ok(())
}

/// One row: the text is in the condition and in the log, and the doctor finds it with the row's advice.
fn row(account: &mut Account, shell: &Shell, text: &str, advice: &str) {
    account.promised(
        &format!("condition Available is False with `{text}`"),
        shell.condition("chatcli-prod", "Available", "False", text).map(drop),
    );
    account.promised("… the operator's log has it too", shell.operator_log(text).map(drop));
    let said = shell.look("chatcli doctor");
    account.promise("… the doctor finds it", said.contains(text) && said.contains("FAIL"), &said);
    account.promise(&format!("… and names the fix ({advice})"), said.contains(advice), &said);
}

/// The advice of the text: the certificate with its names, and itself as CA. Nothing is restarted.
fn mend(account: &mut Account, shell: &Shell) -> anyhow::Result<()> {
    shell.quiet("kubectl -n chatcli-system delete secret chatcli-tls")?;
    shell.run(SECRET)?;
    account.promised("… and with the Secret of section 2.1 it is Available again, without a restart", available(shell));
    Ok(())
}

fn available(shell: &Shell) -> anyhow::Result<()> {
    shell.condition("chatcli-prod", "Available", "True", "").map(drop)
}
