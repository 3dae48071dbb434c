//! Parameters of actions, from text to types.

use api::shared::{ActionType, RemediationAction};

use super::{Action, ActionInfo, MAX_CONFIG_VALUE, MAX_REPLICAS, ParamError, Quantity, Resources, ToRevision};

/// Longest value that an error repeats.
const SHOWN: usize = 60;

pub(super) fn parse(action: &RemediationAction, info: &'static ActionInfo) -> Result<Action, ParamError> {
    let reader = Reader { action, info };
    reader.only_known()?;
    match action.type_ {
        ActionType::RollbackDeployment => Ok(Action::RollbackDeployment { to: reader.revision()? }),
        ActionType::RestartDeployment => Ok(Action::RestartDeployment),
        ActionType::ScaleDeployment => reader.scale(),
        ActionType::AdjustResources => reader.resources(),
        ActionType::PatchConfig => reader.config(),
        ActionType::DeletePod => {
            Ok(Action::DeletePod { pod: reader.name("pod")?.ok_or_else(|| reader.missing("pod"))? })
        }
        other => Err(ParamError::NotAvailable(other)),
    }
}

struct Reader<'a> {
    action: &'a RemediationAction,
    info: &'static ActionInfo,
}

impl Reader<'_> {
    fn only_known(&self) -> Result<(), ParamError> {
        for param in self.action.params.keys() {
            if !self.info.params.iter().any(|(name, ..)| name == param) {
                let takes: Vec<&str> = self.info.params.iter().map(|(name, ..)| *name).collect();
                return Err(ParamError::Unknown {
                    action: self.action.type_,
                    param: shown(param),
                    takes: if takes.is_empty() { "none".to_owned() } else { takes.join(", ") },
                });
            }
        }
        Ok(())
    }

    fn text(&self, param: &str) -> Option<&str> {
        self.action.params.get(param).map(|v| v.trim())
    }

    fn missing(&self, param: &'static str) -> ParamError {
        let expects = self.info.params.iter().find(|(name, ..)| *name == param).map_or("", |(_, _, e)| e);
        ParamError::Missing { action: self.action.type_, param, expects }
    }

    fn bad(&self, param: &'static str, expects: &str) -> ParamError {
        let value = self.action.params.get(param).map(|v| shown(v)).unwrap_or_default();
        ParamError::Bad { action: self.action.type_, param, value, expects: expects.to_owned() }
    }

    fn revision(&self) -> Result<ToRevision, ParamError> {
        let expects = "a revision number from 1, \"previous\" or \"healthy\"";
        match self.text("toRevision") {
            None | Some("previous") => Ok(ToRevision::Previous),
            Some("healthy") => Ok(ToRevision::Healthy),
            Some(text) => match digits(text) {
                Some(number) if number > 0 => Ok(ToRevision::Number(number)),
                _ => Err(self.bad("toRevision", expects)),
            },
        }
    }

    fn scale(&self) -> Result<Action, ParamError> {
        let text = self.text("replicas").ok_or_else(|| self.missing("replicas"))?;
        let replicas = digits(text)
            .and_then(|n| i32::try_from(n).ok())
            .filter(|n| *n <= MAX_REPLICAS)
            .ok_or_else(|| self.bad("replicas", "a number from 0 to 100"))?;
        let containment = match self.text("containment") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(self.bad("containment", "\"true\" or \"false\"")),
        };
        if replicas == 0 && !containment {
            return Err(self.bad("replicas", "1 or more; 0 silences the workload and needs containment \"true\""));
        }
        Ok(Action::ScaleDeployment { replicas, containment })
    }

    fn resources(&self) -> Result<Action, ParamError> {
        let values = Resources {
            memory_limit: self.memory("memory_limit")?,
            memory_request: self.memory("memory_request")?,
            cpu_limit: self.cpu("cpu_limit")?,
            cpu_request: self.cpu("cpu_request")?,
        };
        if values == Resources::default() {
            return Err(self.missing("memory_limit"));
        }
        for (request, limit, param) in [
            (&values.memory_request, &values.memory_limit, "memory_request"),
            (&values.cpu_request, &values.cpu_limit, "cpu_request"),
        ] {
            if let (Some(request), Some(limit)) = (request, limit)
                && request.millis() > limit.millis()
            {
                return Err(self.bad(param, &format!("at most the limit, {limit}")));
            }
        }
        Ok(Action::AdjustResources { container: self.name("container")?, values })
    }

    fn quantity(&self, param: &'static str, expects: &str, least: i128) -> Result<Option<Quantity>, ParamError> {
        let Some(text) = self.text(param) else { return Ok(None) };
        match Quantity::parse(text) {
            Some(q) if q.millis() >= least => Ok(Some(q)),
            _ => Err(self.bad(param, expects)),
        }
    }

    fn memory(&self, param: &'static str) -> Result<Option<Quantity>, ParamError> {
        // Less than 4 MiB starts no container.
        self.quantity(param, "a quantity of at least 4Mi, such as 256Mi", 4 * 1024 * 1024 * 1000)
    }

    fn cpu(&self, param: &'static str) -> Result<Option<Quantity>, ParamError> {
        self.quantity(param, "a quantity of at least 1m, such as 500m", 1)
    }

    fn config(&self) -> Result<Action, ParamError> {
        let config_map = self.name("configmap")?.ok_or_else(|| self.missing("configmap"))?;
        let key = self.text("key").filter(|k| !k.is_empty()).ok_or_else(|| self.missing("key"))?;
        if key.len() > 253 || !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            return Err(self.bad("key", "letters, digits, \"-\", \"_\" and \".\", at most 253"));
        }
        // The value is taken as it is: spaces and line ends may matter.
        let value = self.action.params.get("value").ok_or_else(|| self.missing("value"))?;
        if value.len() > MAX_CONFIG_VALUE {
            return Err(self.bad("value", "at most 128 KiB"));
        }
        Ok(Action::PatchConfig { config_map, key: key.to_owned(), value: value.clone() })
    }

    fn name(&self, param: &'static str) -> Result<Option<String>, ParamError> {
        let Some(text) = self.text(param) else { return Ok(None) };
        let legal = !text.is_empty()
            && text.len() <= 253
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric());
        if legal { Ok(Some(text.to_owned())) } else { Err(self.bad(param, "the name of a Kubernetes object")) }
    }
}

/// Plain digits only: no sign, no exponent, nothing that wraps around.
fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 18 && text.chars().all(|c| c.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(SHOWN).collect::<String>())
    }
}
