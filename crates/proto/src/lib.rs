//! Generated code of the gRPC protocol `chatcli.v1`, nothing else.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

/// `chatcli.v1`.
pub mod v1 {
    tonic::include_proto!("chatcli.v1");
}

/// The description of the protocol, for clients that ask which calls there are.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/chatcli.bin"));
