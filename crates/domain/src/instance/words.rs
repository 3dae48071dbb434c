//! The lines that mend a missing Secret or ConfigMap, ready to be pasted.

/// What a missing object is for, and so what must be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A secret that nobody has to know: any long random text.
    Random,
    /// Keys of providers.
    ApiKey,
    /// A certificate.
    Certificate,
    /// Credentials of a registry.
    Registry,
    /// Anything that only its author knows.
    Other,
}

/// A value for a key, as a shell writes it.
fn value(purpose: Purpose, key: &str) -> String {
    match purpose {
        Purpose::Random => format!("--from-literal={key}=\"$(openssl rand -hex 32)\""),
        Purpose::Certificate => format!("--from-file={key}={key}"),
        Purpose::ApiKey | Purpose::Registry | Purpose::Other => format!("--from-literal={key}=VALUE"),
    }
}

/// The line that makes a Secret.
pub fn create_line(namespace: &str, name: &str, keys: &[&str], purpose: Purpose) -> String {
    if purpose == Purpose::Registry {
        return format!(
            "kubectl -n {namespace} create secret docker-registry {name} --docker-server=SERVER --docker-username=USER --docker-password=PASSWORD"
        );
    }
    let mut keys = keys.to_vec();
    if purpose == Purpose::Certificate && !keys.contains(&"ca.crt") {
        keys.push("ca.crt");
    }
    let values: Vec<String> = keys.iter().map(|key| value(purpose, key)).collect();
    let values = if values.is_empty() { "--from-literal=KEY=VALUE".to_owned() } else { values.join(" ") };
    format!("kubectl -n {namespace} create secret generic {name} {values}")
}

/// The line that adds a key to a Secret.
pub(super) fn add_line(namespace: &str, name: &str, key: &str, purpose: Purpose) -> String {
    let value = match purpose {
        Purpose::Random => "$(openssl rand -hex 32)".to_owned(),
        Purpose::Certificate => {
            return format!(
                "kubectl -n {namespace} patch secret {name} --type=merge -p \"{{\\\"data\\\":{{\\\"{key}\\\":\\\"$(base64 -w0 {key})\\\"}}}}\""
            );
        }
        _ => "VALUE".to_owned(),
    };
    format!(
        "kubectl -n {namespace} patch secret {name} --type=merge -p \"{{\\\"stringData\\\":{{\\\"{key}\\\":\\\"{value}\\\"}}}}\""
    )
}

/// The line that makes a ConfigMap.
pub(super) fn config_map_line(namespace: &str, name: &str, keys: &[&str]) -> String {
    let files: Vec<String> = keys.iter().map(|key| format!("--from-file={key}")).collect();
    let files = if files.is_empty() { "--from-file=FOLDER".to_owned() } else { files.join(" ") };
    format!("kubectl -n {namespace} create configmap {name} {files}")
}
