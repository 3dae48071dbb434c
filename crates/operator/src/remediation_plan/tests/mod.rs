//! Plans on an API server in memory, beside the controller of requests: every death, every fault, and an approval that is
//! worth nothing for anything else than what was shown.

mod crash;
mod faults;
pub(crate) mod scene;
mod shown;
mod steps;
