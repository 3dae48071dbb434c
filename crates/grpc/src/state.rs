//! What a server says of itself.

use proto::v1;

use crate::BUILTIN;

/// What a server says of itself: first thing on a stream, and again whenever it changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerState {
    /// Another replica raises the alerts; this one only answers questions.
    pub standby: bool,
    /// What is watched.
    pub targets: Vec<TargetState>,
    /// Who is asked for analyses.
    pub provider: ProviderState,
}

/// How a target stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetState {
    /// Kind; empty for all.
    pub kind: String,
    /// Namespace; empty for all.
    pub namespace: String,
    /// Name; empty for all.
    pub name: String,
    /// Its first full look is over.
    pub looked_at: bool,
    /// Why not, or why what is seen is not all; with the remedy. Empty when nothing is wrong.
    pub problem: String,
}

/// How the provider stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderState {
    /// Name.
    pub name: String,
    /// Model; empty where there is none.
    pub model: String,
    /// It is configured, and its last call, if any, was answered.
    pub ready: bool,
    /// Why not, with the remedy. Empty when nothing is wrong.
    pub problem: String,
}

impl Default for ProviderState {
    fn default() -> Self {
        Self { name: BUILTIN.to_owned(), model: String::new(), ready: true, problem: String::new() }
    }
}

impl From<&ServerState> for v1::ServerState {
    fn from(state: &ServerState) -> Self {
        let target = |target: &TargetState| v1::TargetState {
            kind: target.kind.clone(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            looked_at: target.looked_at,
            problem: target.problem.clone(),
        };
        let provider = &state.provider;
        Self {
            standby: state.standby,
            targets: state.targets.iter().map(target).collect(),
            provider: Some(v1::ProviderState {
                name: provider.name.clone(),
                model: provider.model.clone(),
                ready: provider.ready,
                problem: provider.problem.clone(),
            }),
        }
    }
}
