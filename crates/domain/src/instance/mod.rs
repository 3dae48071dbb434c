//! What an Instance means: which objects it needs, what is wrong with those that it names, and how it is doing.
//!
//! What lives here: the objects as they must be, rights included, the judgement of referenced Secrets and ConfigMaps, the
//! conditions and their words. What does not: certificates as bytes (`pki`), reading, applying and deleting (`operator`).

mod access;
mod conditions;
mod config;
mod desired;
mod needs;
mod observed;
mod pod;
mod rights;
mod spec;
mod words;
mod workload;

#[cfg(test)]
mod tests;

pub use access::{foreign_name, node_binding_name};
pub use conditions::{Condition, Trouble, conditions, no_ready_instance};
pub use desired::{Desired, Found, Settings, Workload, desired, labels};
pub use needs::{Kind, Need, Seen, judge, needs, own_secrets, secret_hash};
pub use observed::{Link, Observed, Pods, ProviderSeen, ServerSeen, TargetSeen, Tls};
pub use rights::{NODE_ROLE, node_rights, operator_rights, watcher_rights};
pub use spec::{Dial, TlsOf, View};
pub use words::{Purpose, create_line};

/// Value of `app.kubernetes.io/managed-by` on everything that belongs to an Instance.
pub const MANAGED_BY: &str = "chatcli-operator";
/// Label that names the manager.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Label that names the Instance.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Finalizer of an Instance that has objects outside its namespace, which no owner reference reaches.
pub const FINALIZER: &str = "platform.chatcli.io/finalizer";
/// Annotation on objects outside the Instance's namespace: the UID of their Instance.
pub const OWNER_UID: &str = "platform.chatcli.io/instance-uid";
/// Annotation on objects outside the Instance's namespace: `namespace/name` of their Instance.
pub const OWNER: &str = "platform.chatcli.io/instance-of";
