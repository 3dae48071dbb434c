//! What is left out where a bundle grows too large: what tells least about the fault first.

use super::{Bundle, Log};

/// What a bundle is filled with, in the order of its worth.
#[derive(Clone, Debug)]
pub enum Load {
    /// Objects of one kind and origin. They are taken together or not at all: half of them would look like a fault.
    Objects {
        /// Their kind.
        kind: &'static str,
        /// Where they are from, in words.
        of: String,
        /// They.
        objects: Vec<serde_json::Value>,
    },
    /// Pods of other namespaces, which show what is taken of the nodes.
    Neighbours(Vec<serde_json::Value>),
    /// Events, newest first: of these as many as there is room for.
    Events(Vec<serde_json::Value>),
    /// Log tails, what tells most first.
    Logs(Vec<Log>),
}

/// Fills a bundle up to a size. What finds no room is said, and a kind of which something is missing is named as such.
pub fn fit(bundle: &mut Bundle, loads: Vec<Load>, limit: usize) {
    let size = |value: &serde_json::Value| serde_json::to_string(value).map_or(usize::MAX, |text| text.len() + 2);
    let log_size = |log: &Log| serde_json::to_string(log).map_or(usize::MAX, |text| text.len() + 2);
    let mut room = limit.saturating_sub(16 * 1024);
    for load in loads {
        match load {
            Load::Objects { kind, of, objects } => {
                let taken: usize = objects.iter().map(size).fold(0, usize::saturating_add);
                if taken > room {
                    let why =
                        format!("the {} objects {of} would take {taken} bytes, and {room} were left", objects.len());
                    bundle.missing.entry(kind.to_owned()).or_insert(why);
                    continue;
                }
                room -= taken;
                bundle.objects.extend(objects);
            }
            Load::Neighbours(pods) => {
                let taken: usize = pods.iter().map(size).fold(0, usize::saturating_add);
                if taken > room {
                    let count = pods.len();
                    bundle.left_out.push(format!(
                        "{count} pods of other namespaces, for want of room: a replay takes their room on the nodes for free"
                    ));
                    continue;
                }
                room -= taken;
                bundle.objects.extend(pods);
            }
            Load::Events(events) => {
                let all = events.len();
                let mut kept = 0;
                for event in events {
                    let taken = size(&event);
                    if taken > room {
                        break;
                    }
                    room -= taken;
                    kept += 1;
                    bundle.objects.push(event);
                }
                if kept < all {
                    bundle.left_out.push(format!("{} of {all} Events, the oldest, for want of room", all - kept));
                }
            }
            Load::Logs(logs) => {
                for log in logs {
                    let taken = log_size(&log);
                    if taken > room {
                        let Log { pod, container, .. } = &log;
                        bundle
                            .left_out
                            .push(format!("the log of container {container} of pod {pod}, for want of room"));
                        continue;
                    }
                    room -= taken;
                    bundle.logs.push(log);
                }
            }
        }
    }
    // A log without its pod could not be asked for.
    let pods: std::collections::BTreeSet<(String, String)> = bundle.objects.iter().filter_map(pod).collect();
    bundle.logs.retain(|log| pods.contains(&(log.namespace.clone(), log.pod.clone())));
}

fn pod(object: &serde_json::Value) -> Option<(String, String)> {
    let text = |path: &str| object.pointer(path).and_then(serde_json::Value::as_str).map(str::to_owned);
    (text("/kind")? == "Pod").then_some(())?;
    Some((text("/metadata/namespace")?, text("/metadata/name")?))
}
