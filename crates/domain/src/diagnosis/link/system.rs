//! Ports, memory and machines.

use api::shared::CauseClass;
use k8s_openapi::api::core::v1::Container;

use super::{Link, Place, Told, names};

/// Ports below this need root or a capability.
const PRIVILEGED: u16 = 1024;

pub(super) fn port_taken(place: &Place<'_>, told: &Told) -> Option<Link> {
    let port = told.port?;
    let number = port.to_string();
    let declares =
        |container: &Container| container.ports.iter().flatten().any(|p| p.container_port == i32::from(port));
    let speaks = |container: &Container| {
        let words = container.command.iter().chain(container.args.iter()).flatten();
        let values = container.env.iter().flatten().filter_map(|variable| variable.value.as_ref());
        words.chain(values).any(|text| names(text, &number))
    };
    let sidecars =
        place.spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let others: Vec<&Container> =
        place.spec.containers.iter().chain(sidecars).filter(|c| c.name != place.container.name).collect();
    let other = others.iter().find(|c| declares(c)).or_else(|| others.iter().find(|c| speaks(c)));
    if let Some(other) = other {
        let clause = format!("port {port} is taken by container {} of the same pod", other.name);
        let own = place.container.ports.iter().flatten().position(|p| p.container_port == i32::from(port));
        let setting = place.naming(&number);
        let path = match (own, setting) {
            (Some(index), _) => format!("{}.ports[{index}].containerPort", place.path),
            (None, Some(setting)) => setting.path,
            (None, None) => format!("{}.ports", place.path),
        };
        return Some(place.link(CauseClass::BadConfiguration, path, Some(&number), clause, 0.9));
    }
    (place.spec.host_network == Some(true)).then(|| {
        let clause = format!("port {port} is taken on the node, whose network its pods use");
        place.link(CauseClass::BadConfiguration, format!("{}.hostNetwork", place.prefix), Some("true"), clause, 0.75)
    })
}

pub(super) fn port_denied(place: &Place<'_>, told: &Told) -> Link {
    let port = told.port.filter(|port| *port < PRIVILEGED);
    let shown = port.map_or_else(|| "a port below 1024".to_owned(), |port| format!("port {port}"));
    if let Some((user, path)) = place.user().filter(|(user, _)| *user != 0) {
        let clause = format!("user {user} may not bind {shown}; ports below 1024 need root or NET_BIND_SERVICE");
        return place.link(CauseClass::PermissionDenied, path, Some(&user.to_string()), clause, 0.9);
    }
    let context = place.container.security_context.as_ref();
    let dropped = context.and_then(|c| c.capabilities.as_ref()?.drop.as_ref()).filter(|drop| !drop.is_empty());
    if let Some(dropped) = dropped {
        let clause = format!("it may not bind {shown}: capabilities.drop takes NET_BIND_SERVICE away");
        let path = format!("{}.securityContext.capabilities.drop", place.path);
        return place.link(CauseClass::PermissionDenied, path, Some(&dropped.join(", ")), clause, 0.85);
    }
    let number = port.map(|port| port.to_string());
    let setting = number.as_deref().and_then(|number| place.naming(number));
    let clause = format!("it may not bind {shown} as the user of its image");
    match setting {
        Some(setting) => place.link_setting(CauseClass::PermissionDenied, &setting, clause, 0.7),
        None => place.link(CauseClass::PermissionDenied, format!("{}.securityContext", place.path), None, clause, 0.65),
    }
}

/// The process ran out of memory by itself: what limits its heap.
pub(super) fn heap(place: &Place<'_>) -> Option<Link> {
    let heap = place.settings().into_iter().find_map(|setting| {
        let word = heap_option(setting.value)?;
        Some((setting, word))
    });
    if let Some((setting, word)) = heap {
        let clause = format!("its heap is full; {} limits it with {word}", setting.what);
        return Some(place.link_setting(CauseClass::OutOfMemory, &setting, clause, 0.85));
    }
    let limit =
        place.container.resources.as_ref().and_then(|r| r.limits.as_ref()?.get("memory")).map(|q| q.0.clone())?;
    let path = format!("{}.resources.limits.memory", place.path);
    let clause = format!("its heap is full, whose size follows from the memory limit of {limit}");
    Some(place.link(CauseClass::OutOfMemory, path, Some(&limit), clause, 0.75))
}

/// The option in a text that limits a heap: `-Xmx64m`, `--max-old-space-size=64`.
pub(in crate::diagnosis) fn heap_option(text: &str) -> Option<&str> {
    const OPTIONS: [&str; 4] = ["-Xmx", "--max-old-space-size", "-XX:MaxRAMPercentage", "-XX:MaxHeapSize"];
    text.split(|c: char| c.is_whitespace() || c == '"')
        .find(|word| OPTIONS.iter().any(|option| word.starts_with(option)))
}

pub(in crate::diagnosis) fn architecture(place: &Place<'_>) -> Option<Link> {
    let image = place.container.image.clone()?;
    let clause = format!("image {image} has a program for another processor, or a script without #!");
    Some(place.link(CauseClass::BadConfiguration, format!("{}.image", place.path), Some(&image), clause, 0.85))
}
