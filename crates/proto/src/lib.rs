//! Generated code of the gRPC protocol `chatcli.v1`, nothing else.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

/// `chatcli.v1`.
pub mod v1 {
    tonic::include_proto!("chatcli.v1");
}
