//! The whole pipeline on an API server in memory: all controllers together, a shop with one Deployment, a server that
//! tells what it sees, and a clock that runs only when nothing else does.

mod faults;
mod links;
mod pipeline;
pub(crate) mod world;
