//! Schemas of the parts of a pod that an Instance takes over: environment variables, resources, security context.
//!
//! The Rust types are those of Kubernetes. Their own schemas know no quantities, limits or merge rules, so they stand here.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::formats;

/// Quantity of Kubernetes, as text or as a whole number.
fn quantity(description: &str) -> Value {
    json!({
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": true, "maxLength": 64, "description": description,
        "x-kubernetes-validations": [{
            "rule": "type(self) == int ? self >= 0 : isQuantity(self) && quantity(self).compareTo(quantity('0')) >= 0",
            "message": "must be a quantity of Kubernetes that is not negative, such as 500m, 2 or 512Mi",
        }],
    })
}

fn worded(pattern: &str, max: u32, message: &str, description: &str) -> Value {
    let mut value = formats::worded(pattern, max, message).to_value();
    if let Value::Object(map) = &mut value {
        map.insert("description".to_owned(), json!(description));
    }
    value
}

fn text(max: u32, description: &str) -> Value {
    json!({"type": "string", "maxLength": max, "description": description})
}

fn key_ref(what: &str) -> Value {
    json!({
        "type": "object", "required": ["key"], "x-kubernetes-map-type": "atomic",
        "description": format!("Key of a {what} in the Instance's namespace."),
        "x-kubernetes-validations": [{"rule": "self.name != ''", "message": format!("name of the {what} must be given"), "fieldPath": ".name"}],
        "properties": {
            "key": worded(formats::DATA_KEY, 253, "must be a key: letters, digits, -, _ and ., such as token", &format!("Key inside the {what}.")),
            "name": {"type": "string", "default": "", "maxLength": 253, "description": format!("Name of the {what}."),
                "x-kubernetes-validations": [{"rule": format!("self == '' || self.matches(r'{}')", formats::DNS_SUBDOMAIN), "message": format!("must be the name of the {what}")}]},
            "optional": {"type": "boolean", "description": format!("Leave the variable out when the {what} or the key does not exist; without it the pod waits.")},
        },
    })
}

/// Environment variables of the server's container.
pub(crate) fn env(_: &mut SchemaGenerator) -> Schema {
    let sources = ["configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef"];
    let given: Vec<String> = sources.iter().map(|name| format!("(has(self.{name}) ? 1 : 0)")).collect();
    json_schema!({
        "type": "array", "maxItems": 256, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object", "required": ["name"], "description": "One environment variable.",
            "x-kubernetes-validations": [{"rule": "!has(self.value) || self.value == '' || !has(self.valueFrom)", "message": "value and valueFrom exclude each other", "fieldPath": ".valueFrom"}],
            "properties": {
                "name": worded(formats::ENV_NAME, 256, "must be the name of an environment variable: letters, digits, _ . and -, not starting with a digit", "Name of the variable."),
                "value": text(32768, "Its value; `$(NAME)` refers to another variable."),
                "valueFrom": {
                    "type": "object", "description": "Where its value comes from; exactly one of the fields.",
                    "x-kubernetes-validations": [{"rule": format!("{} == 1", given.join(" + ")), "message": format!("must have exactly one of {}", sources.join(", "))}],
                    "properties": {
                        "configMapKeyRef": key_ref("ConfigMap"),
                        "fieldRef": {
                            "type": "object", "required": ["fieldPath"], "x-kubernetes-map-type": "atomic", "description": "Field of the pod.",
                            "properties": {
                                "apiVersion": text(64, "Version of the API that the path is written for; default `v1`."),
                                "fieldPath": {"type": "string", "minLength": 1, "maxLength": 512, "description": "Path of the field, such as `metadata.name`."},
                            },
                        },
                        "fileKeyRef": {
                            "type": "object", "required": ["key", "path", "volumeName"], "x-kubernetes-map-type": "atomic", "description": "Key of a file with variables in a volume of the pod.",
                            "properties": {
                                "key": {"type": "string", "minLength": 1, "maxLength": 256, "description": "Key inside the file."},
                                "optional": {"type": "boolean", "default": false, "description": "Leave the variable out when the file or the key does not exist."},
                                "path": {"type": "string", "minLength": 1, "maxLength": 4096, "description": "Path of the file inside the volume, relative and without `..`."},
                                "volumeName": worded(formats::DNS_LABEL, 63, "must be the name of a volume: small letters, digits and -", "Name of the volume."),
                            },
                        },
                        "resourceFieldRef": {
                            "type": "object", "required": ["resource"], "x-kubernetes-map-type": "atomic", "description": "Request or limit of the container.",
                            "properties": {
                                "containerName": text(63, "Name of the container."),
                                "divisor": quantity("Unit of the value; default 1."),
                                "resource": {"type": "string", "minLength": 1, "maxLength": 128, "description": "Which one, such as `limits.memory`."},
                            },
                        },
                        "secretKeyRef": key_ref("Secret"),
                    },
                },
            },
        },
    })
}

fn amounts(description: &str) -> Value {
    json!({
        "type": "object", "maxProperties": 16, "description": description,
        "additionalProperties": quantity("Amount, as a Kubernetes quantity."),
        "x-kubernetes-validations": [
            {"rule": "self.all(k, k in ['cpu', 'memory', 'ephemeral-storage'] || k.startsWith('hugepages-') || k.contains('/'))",
             "message": "keys must be cpu, memory, ephemeral-storage, hugepages-<size> or an extended resource with a domain"},
        ],
    })
}

/// CEL: the amount as a number, whichever way it is written.
fn amount(value: &str) -> String {
    format!("(type({value}) == int ? double({value}) : quantity({value}).asApproximateFloat())")
}

/// Resources of the server's container.
pub(crate) fn resources(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "claims": {
                "type": "array", "maxItems": 32, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "description": "Claims of dynamic resource allocation that the container uses.",
                "items": {
                    "type": "object", "required": ["name"], "description": "One claim.",
                    "properties": {
                        "name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "Name of the claim in the pod."},
                        "request": text(253, "Name of one request of the claim; without it all of them."),
                    },
                },
            },
            "limits": amounts("Most that the container may use, per resource."),
            "requests": amounts("What the container is sure to get, per resource; not more than its limit."),
        },
        "x-kubernetes-validations": [{
            "rule": format!("!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) || {} <= {})", amount("self.requests[k]"), amount("self.limits[k]")),
            "message": "requests must not be larger than limits", "fieldPath": ".requests",
        }],
    })
}

fn id(description: &str) -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": 2_147_483_647_u32, "description": description})
}

fn one_of(values: &[&str], description: &str) -> Value {
    json!({"type": "string", "maxLength": 64, "description": description,
        "x-kubernetes-validations": [{"rule": format!("self in {values:?}"), "message": format!("must be one of {}", values.join(", "))}]})
}

fn profile(what: &str) -> Value {
    json!({
        "type": "object", "required": ["type"], "description": format!("{what} profile of the containers."),
        "x-kubernetes-validations": [{"rule": "(self.type == 'Localhost') == has(self.localhostProfile)", "message": "localhostProfile must be given with type Localhost, and only then", "fieldPath": ".localhostProfile"}],
        "properties": {
            "localhostProfile": text(4096, "Profile on the node, for type `Localhost`."),
            "type": one_of(&["RuntimeDefault", "Localhost", "Unconfined"], "`RuntimeDefault`, `Localhost` or `Unconfined`."),
        },
    })
}

/// Security context of the server's pod.
pub(crate) fn security_context(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-validations": [{
            "rule": "!has(self.runAsNonRoot) || !self.runAsNonRoot || !has(self.runAsUser) || self.runAsUser != 0",
            "message": "runAsUser must not be 0 when runAsNonRoot is true", "fieldPath": ".runAsUser",
        }],
        "properties": {
            "appArmorProfile": profile("AppArmor"),
            "fsGroup": id("Group that owns the volumes."),
            "fsGroupChangePolicy": one_of(&["OnRootMismatch", "Always"], "When the owner of volumes is changed: `OnRootMismatch` or `Always`."),
            "runAsGroup": id("Primary group of the containers."),
            "runAsNonRoot": {"type": "boolean", "description": "Refuse to start containers as root."},
            "runAsUser": id("User of the containers."),
            "seLinuxChangePolicy": one_of(&["MountOption", "Recursive"], "How volumes get their SELinux label: `MountOption` or `Recursive`."),
            "seLinuxOptions": {
                "type": "object", "description": "SELinux label of the containers.",
                "properties": {
                    "level": text(256, "Level of the label."), "role": text(256, "Role of the label."),
                    "type": text(256, "Type of the label."), "user": text(256, "User of the label."),
                },
            },
            "seccompProfile": profile("Seccomp"),
            "supplementalGroups": {
                "type": "array", "maxItems": 64, "x-kubernetes-list-type": "atomic", "description": "Further groups of the containers.",
                "items": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2_147_483_647_u32},
            },
            "supplementalGroupsPolicy": one_of(&["Merge", "Strict"], "Whether groups of the image count too: `Merge` or `Strict`."),
            "sysctls": {
                "type": "array", "maxItems": 64, "x-kubernetes-list-type": "atomic", "description": "Kernel settings of the pod.",
                "items": {
                    "type": "object", "required": ["name", "value"], "description": "One kernel setting.",
                    "properties": {
                        "name": worded(r"^[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$", 253, "must be the name of a kernel setting, such as net.core.somaxconn", "Name of the setting."),
                        "value": text(4096, "Its value."),
                    },
                },
            },
            "windowsOptions": {
                "type": "object", "description": "Settings for Windows nodes.",
                "properties": {
                    "gmsaCredentialSpec": text(65536, "Credential specification of the group managed service account, inline."),
                    "gmsaCredentialSpecName": text(253, "Its name."),
                    "hostProcess": {"type": "boolean", "description": "Run as host process."},
                    "runAsUserName": text(256, "User of the containers."),
                },
            },
        },
    })
}
