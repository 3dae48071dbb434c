//! The network namespace of a cluster with a node: interfaces, routes and firewall rules live and vanish with it.

use std::path::{Path, PathBuf};

use crate::machine::run;

/// Path of the namespace.
pub fn path(index: u8) -> PathBuf {
    Path::new("/run/netns").join(name(index))
}

fn name(index: u8) -> String {
    format!("chatcli-{index}")
}

fn host_link(index: u8) -> String {
    format!("chatcli{index}h")
}

/// Whether nothing on the machine has this number.
pub fn is_free(index: u8) -> bool {
    !path(index).exists() && !Path::new("/sys/class/net").join(host_link(index)).exists()
}

/// Makes the namespace and the link to it; returns the node's address, which the host reaches.
pub fn make(index: u8) -> anyhow::Result<String> {
    let (namespace, host, node) = (name(index), host_link(index), format!("10.201.{index}.2"));
    let inside = |args: &[&str]| run("ip", &[&["-n", namespace.as_str()], args].concat());
    run("ip", &["netns", "add", &namespace])?;
    run("ip", &["link", "add", &host, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
    run("ip", &["address", "add", &format!("10.201.{index}.1/30"), "dev", &host])?;
    run("ip", &["link", "set", &host, "up"])?;
    inside(&["link", "set", "lo", "up"])?;
    inside(&["address", "add", &format!("{node}/30"), "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "up"])?;
    // A route must exist before a Service address is looked up and rewritten. Nothing leaves: the host does not forward.
    inside(&["route", "add", "default", "via", &format!("10.201.{index}.1")])?;
    run(
        "nsenter",
        &[&format!("--net={}", path(index).display()), "--", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"],
    )?;
    Ok(node)
}

/// Removes the namespace; its link goes with it.
pub fn remove(index: u8) -> anyhow::Result<()> {
    if path(index).exists() {
        run("ip", &["netns", "delete", &name(index)])?;
    }
    // The first namespace of a machine makes this mount; the last one of ours takes it along.
    let folder = Path::new("/run/netns");
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_none()) && run("umount", &["/run/netns"]).is_ok() {
        let _ = std::fs::remove_dir(folder);
    }
    // The link may outlive its namespace for a moment while that is torn down.
    if Path::new("/sys/class/net").join(host_link(index)).exists() {
        let _ = run("ip", &["link", "delete", &host_link(index)]);
    }
    Ok(())
}
