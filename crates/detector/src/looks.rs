//! How long looks take and which fail, under the names that chatcli 1.188 gives to its collection cycles.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Label of a target; `all` where targets are not named one by one.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    target: String,
}

/// Families of the looks. Clones share them.
#[derive(Clone, Debug)]
pub struct Looks {
    seconds: Family<Of, Histogram, fn() -> Histogram>,
    errors: Family<Of, Counter>,
}

impl Default for Looks {
    fn default() -> Self {
        let seconds = || Histogram::new([0.000_1, 0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]);
        Self { seconds: Family::new_with_constructor(seconds), errors: Family::default() }
    }
}

impl Looks {
    /// Adds the families to a registry, whose prefix must be `chatcli` for the documented names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("watcher_collection_duration_seconds", "Time of a look at a target", self.seconds.clone());
        registry.register("watcher_collection_errors", "Looks at a target that failed", self.errors.clone());
    }

    pub(crate) fn looked(&self, target: String, took: Duration, failed: bool) {
        let of = Of { target };
        self.seconds.get_or_create(&of).observe(took.as_secs_f64());
        let errors = self.errors.get_or_create(&of);
        if failed {
            errors.inc();
        }
    }
}
