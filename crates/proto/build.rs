//! Compiles the protocol without a protoc on the machine.

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["proto/chatcli.proto"], ["proto"])?;
    let described = std::path::Path::new(&std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("chatcli.bin");
    std::fs::write(described, descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
