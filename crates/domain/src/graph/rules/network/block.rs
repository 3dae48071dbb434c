//! Blocks of addresses in NetworkPolicies.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::IPBlock;

/// Whether a block of addresses holds all of these; none when that cannot be told.
pub(super) fn holds(block: &IPBlock, addresses: &[IpAddr]) -> Option<bool> {
    let excepted = block.except.as_deref().unwrap_or_default();
    if block.cidr.ends_with("/0") && excepted.is_empty() {
        return Some(true);
    }
    if addresses.is_empty() {
        return None;
    }
    let mut all = true;
    for address in addresses {
        // An address of the other family says nothing.
        let inside = within(&block.cidr, *address)?;
        let out = excepted.iter().any(|except| within(except, *address) == Some(true));
        all &= inside && !out;
    }
    Some(all)
}

fn within(cidr: &str, address: IpAddr) -> Option<bool> {
    let (network, bits) = cidr.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    let (network, address, width) = match (network.parse().ok()?, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(u32::from(network)), u128::from(u32::from(address)), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (u128::from(network), u128::from(address), 128),
        _ => return None,
    };
    let shift = u32::checked_sub(width, bits)?;
    let cut = |value: u128| value.checked_shr(shift).unwrap_or(0);
    Some(cut(network) == cut(address))
}
