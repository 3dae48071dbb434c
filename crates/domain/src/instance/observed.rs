//! What was observed of an Instance, for its conditions.

use super::conditions::Trouble;
use super::desired::Found;

/// What was found out about the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Nothing is encrypted.
    Off,
    /// It can be used; the text says until when.
    Good(String),
    /// It cannot.
    Bad(Vec<Trouble>),
    /// It is not there, or not known yet; the text says why.
    Waiting(String),
}

/// The pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// That exist.
    pub existing: i32,
    /// That are ready and run what is wanted now.
    pub ready: i32,
    /// Why one of them, or all, are not.
    pub trouble: Option<String>,
}

/// The link to one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Pod or address.
    pub name: String,
    /// Whether the stream is open, or why not.
    pub connected: Result<(), String>,
    /// What the server says of itself.
    pub server: Option<ServerSeen>,
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSeen {
    /// Another replica raises the alerts.
    pub standby: bool,
    /// What it watches.
    pub targets: Vec<TargetSeen>,
    /// Whom it asks.
    pub provider: Option<ProviderSeen>,
}

/// What a server says of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetSeen {
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name; empty for every workload of the namespace.
    pub name: String,
    /// Whether its first full look is over.
    pub looked_at: bool,
    /// What is wrong.
    pub problem: String,
}

/// What a server says of its provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSeen {
    /// Name.
    pub name: String,
    /// Model.
    pub model: String,
    /// Whether it answers, as far as is known.
    pub ready: bool,
    /// Why not.
    pub problem: String,
}

/// Everything that was observed.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// What stands in what the Instance names.
    pub found: &'a Found,
    /// What is wrong with that.
    pub secrets: Vec<Trouble>,
    /// The certificate.
    pub tls: Tls,
    /// Objects that could not be brought to where they must be.
    pub refused: Vec<Trouble>,
    /// The pods.
    pub pods: Pods,
    /// The links.
    pub links: Vec<Link>,
}
