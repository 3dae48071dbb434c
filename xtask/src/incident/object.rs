//! The name of an object, and whether it belongs to a run. Nothing here is read from a cluster.

use serde::Serialize;
use serde_json::Value;

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// Its namespace; none for one that belongs to the cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Object {
    /// One that is named so; an empty namespace is none.
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
        Self { kind: kind.to_owned(), namespace, name: name.to_owned() }
    }

    /// The one that a reference with kind, namespace and name points to.
    pub fn referred(reference: &Value) -> Option<Self> {
        let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
        (!text("kind").is_empty()).then(|| Self::new(text("kind"), text("namespace"), text("name")))
    }

    /// `Kind/name`, as the expectations of a case name it.
    pub fn id(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Whether it lies in a namespace of the run, or carries the run's name.
    pub fn belongs_to(&self, run: &str) -> bool {
        self.namespace.as_deref().is_some_and(|namespace| is_of(namespace, run)) || self.name.contains(run)
    }
}

/// Whether a namespace is one of a run's.
pub fn is_of(namespace: &str, run: &str) -> bool {
    namespace.strip_prefix(run).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_owns_its_namespaces_and_what_carries_its_name() {
        let run = "k3x9q2ab";
        assert!(Object::new("Pod", "k3x9q2ab", "web").belongs_to(run));
        assert!(Object::new("Pod", "k3x9q2ab-east", "web").belongs_to(run));
        assert!(Object::new("Node", "", "k3x9q2ab-a").belongs_to(run));
        assert!(!Object::new("Pod", "k3x9q2abc", "web").belongs_to(run), "another run whose name begins alike");
        assert!(!Object::new("Pod", "kube-system", "web").belongs_to(run));
        assert!(!Object::new("Node", "", "node-1").belongs_to(run));
    }
}
