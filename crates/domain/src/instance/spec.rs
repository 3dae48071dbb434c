//! An Instance's spec with its defaults: what holds, whatever was written.

use api::Instance;
use api::instance::{
    InstancePersistence, InstanceServer, InstanceServerSecurity, InstanceWatcher, WatchTarget, WatchedKind,
};
use api::shared::SecretKeyRef;

use super::desired::Settings;

const PORT: i32 = 50051;
const METRICS_PORT: i32 = 9090;

/// Where the operator's calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dial {
    /// To every pod by its IP, at this port.
    Pods(i32),
    /// To this `host:port` alone.
    Address(String),
}

/// How the connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsOf<'a> {
    /// Not at all.
    Off,
    /// By the certificate in this Secret.
    Given(&'a str),
    /// By a certificate that the operator issues.
    Own,
}

/// An Instance as it is meant.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The Instance.
    pub instance: &'a Instance,
}

impl<'a> View<'a> {
    /// A view of it.
    pub fn of(instance: &'a Instance) -> Self {
        Self { instance }
    }

    /// Its name.
    pub fn name(self) -> &'a str {
        self.instance.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    pub fn namespace(self) -> &'a str {
        self.instance.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// Its UID.
    pub fn uid(self) -> &'a str {
        self.instance.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The name of one of its objects.
    pub fn named(self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name())
    }

    pub(super) fn server(self) -> Option<&'a InstanceServer> {
        self.instance.spec.server.as_ref()
    }

    pub(super) fn security(self) -> Option<&'a InstanceServerSecurity> {
        self.server()?.security.as_ref()
    }

    /// Port of gRPC.
    pub fn port(self) -> i32 {
        self.server().map_or(PORT, |server| server.port)
    }

    /// Port of metrics and probes; nothing when it is switched off.
    pub fn metrics_port(self) -> Option<i32> {
        Some(self.server().map_or(METRICS_PORT, |server| server.metrics_port)).filter(|port| *port > 0)
    }

    /// How the connection is secured.
    pub fn tls(self) -> TlsOf<'a> {
        match self.server().and_then(|server| server.tls.as_ref()).filter(|tls| tls.enabled == Some(true)) {
            None => TlsOf::Off,
            Some(tls) => tls.secret_name.as_deref().map_or(TlsOf::Own, TlsOf::Given),
        }
    }

    /// Name of the Secret with the certificate, given or issued.
    pub fn tls_secret(self) -> Option<String> {
        match self.tls() {
            TlsOf::Off => None,
            TlsOf::Given(name) => Some(name.to_owned()),
            TlsOf::Own => Some(self.named("tls")),
        }
    }

    /// Where the token is. Without one in the spec the operator makes one: calls are never taken unauthenticated.
    pub fn token(self) -> SecretKeyRef {
        let given = self.server().and_then(|server| server.token.clone());
        given.unwrap_or_else(|| SecretKeyRef { name: self.named("token"), key: "token".to_owned() })
    }

    /// Whether the token is made by the operator.
    pub fn makes_token(self) -> bool {
        self.server().is_none_or(|server| server.token.is_none())
    }

    /// Where the secret of the JWTs is.
    pub fn jwt(self) -> Option<&'a SecretKeyRef> {
        self.security()?.jwt_secret_ref.as_ref()
    }

    pub(super) fn watcher(self) -> Option<&'a InstanceWatcher> {
        self.instance.spec.watcher.as_ref().filter(|watcher| watcher.enabled == Some(true))
    }

    /// The workloads that it watches, the older form included.
    pub fn targets(self) -> Vec<WatchTarget> {
        let Some(watcher) = self.watcher() else { return Vec::new() };
        let old = watcher.deployment.as_ref().map(|name| WatchTarget {
            deployment: name.clone(),
            kind: WatchedKind::Deployment,
            metrics_filter: Vec::new(),
            metrics_path: None,
            metrics_port: None,
            name: name.clone(),
            namespace: watcher.namespace.clone().unwrap_or_else(|| self.namespace().to_owned()),
            thresholds: None,
        });
        old.into_iter().chain(watcher.targets.iter().cloned()).collect()
    }

    /// Namespaces that it watches, each once, in order.
    pub fn watched_namespaces(self) -> Vec<String> {
        let mut names: Vec<String> = self.targets().into_iter().map(|target| target.namespace).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The volume for sessions, when there is one.
    pub fn persistence(self) -> Option<&'a InstancePersistence> {
        self.instance.spec.persistence.as_ref().filter(|persistence| persistence.enabled == Some(true))
    }

    /// Whether something of it lives outside its namespace.
    pub fn reaches_out(self) -> bool {
        self.watcher().is_some()
    }

    /// Where the operator's calls go.
    pub fn dial(self) -> Dial {
        let Some(address) = self.server().and_then(|server| server.address.as_deref()) else {
            return Dial::Pods(self.port());
        };
        let address = address.trim_start_matches("dns:///");
        let after_host = address.rsplit(']').next().unwrap_or(address);
        Dial::Address(if after_host.contains(':') { address.to_owned() } else { format!("{address}:{}", self.port()) })
    }

    /// Name that the certificate must be for.
    pub fn server_name(self, cluster_domain: &str) -> String {
        if let Some(name) = self.server().and_then(|server| server.server_name.clone()) {
            return name.trim_matches(['[', ']']).to_owned();
        }
        match self.dial() {
            Dial::Pods(_) => format!("{}.{}.svc.{cluster_domain}", self.name(), self.namespace()),
            Dial::Address(address) => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                host.trim_matches(['[', ']']).to_owned()
            }
        }
    }

    /// Names of a certificate that the operator issues.
    pub fn certificate_names(self, settings: &Settings) -> Vec<String> {
        let (name, namespace) = (self.name(), self.namespace());
        let mut names = vec![
            format!("{name}.{namespace}.svc.{}", settings.cluster_domain),
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}"),
            name.to_owned(),
            "localhost".to_owned(),
        ];
        let dialed = self.server_name(&settings.cluster_domain);
        if !names.contains(&dialed) {
            names.insert(0, dialed);
        }
        names
    }

    /// Image of the server.
    pub fn image(self, settings: &Settings) -> String {
        let default = settings.default_image.as_str();
        let Some(image) = &self.instance.spec.image else { return default.to_owned() };
        let tag = image.tag.as_deref().filter(|tag| !tag.is_empty());
        match tag.or(settings.app_version.as_deref()).or_else(|| tag_of(default)) {
            Some(tag) => format!("{}:{tag}", image.repository),
            None => format!("{}:latest", image.repository),
        }
    }
}

/// The tag of an image; a port of the registry is none.
fn tag_of(image: &str) -> Option<&str> {
    let last = image.rsplit('/').next()?;
    last.split_once(':').map(|(_, tag)| tag)
}
