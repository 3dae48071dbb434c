//! Every decision of the product, as a pure function of (state, observation, now).
//!
//! What lives here, one folder per subject:
//!
//! * `detection`: from what is seen to "this is a symptom", and the book of open alerts;
//! * `diagnosis`: from evidence to "this is the cause", with its proof and a proposal;
//! * `incident`: grouping of signals, the life of an Issue, the words of a post-mortem;
//! * `instance`: which objects an Instance needs, what is wrong with those that it names, how it is doing;
//! * `remediation`: what an action needs, changes, verifies and undoes, and the life of a plan;
//! * `llm`: what a language model is told, and what of its answer counts;
//! * `approval`: who must say yes, and whether they have;
//! * `graph`: the objects of a namespace, how they refer to each other, and what is wrong in that;
//! * `doctor`: what an installation lacks for production;
//! * `rights`: what each part must be allowed to do;
//! * `proof`: whether a proof still holds;
//! * `bundle`: an incident as a file that can be played again.
//!
//! What does not: anything that reads or writes. This crate cannot name a Kubernetes client, a runtime, an environment or
//! a clock; `now` is an argument, and deadlines are absolute instants.

pub mod approval;
pub mod bundle;
pub mod detection;
pub mod diagnosis;
pub mod doctor;
pub mod graph;
pub mod incident;
pub mod instance;
pub mod llm;
pub mod proof;
pub mod remediation;
pub mod rights;
