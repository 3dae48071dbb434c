//! Whether a diagnosis says the same as the one of the time.

use api::shared::{ObjectRef, RootCause};

/// What is the same, and what is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Whether the object at fault is the same.
    pub object: bool,
    /// Whether the field is.
    pub path: bool,
    /// Whether the class of the cause is.
    pub class: bool,
    /// Whether the value is.
    pub value: bool,
}

impl Comparison {
    /// Whether the cause is the same: object and field.
    pub fn same(&self) -> bool {
        self.object && self.path
    }
}

/// Compares two causes. UIDs do not count: a name in a bundle means one object.
pub fn compare(then: &RootCause, now: &RootCause) -> Comparison {
    let same = |a: &ObjectRef, b: &ObjectRef| a.kind == b.kind && a.name == b.name && a.namespace == b.namespace;
    Comparison {
        object: same(&then.object, &now.object),
        path: then.path == now.path,
        class: then.class == now.class,
        value: then.value == now.value,
    }
}
