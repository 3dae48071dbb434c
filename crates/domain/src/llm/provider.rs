//! The providers of the contract: their names, the format that each speaks, the model that each takes by default.

use strum::{Display, EnumIter, EnumString, IntoEnumIterator, IntoStaticStr};

/// A provider, by the name that `Instance.spec.provider` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Display, EnumString, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Provider {
    /// OpenAI, and whatever speaks its chat completions under `OPENAI_API_URL`.
    #[strum(serialize = "OPENAI")]
    OpenAi,
    /// OpenAI's Assistants.
    #[strum(serialize = "OPENAI_ASSISTANT")]
    OpenAiAssistant,
    /// Anthropic.
    #[strum(serialize = "CLAUDEAI")]
    ClaudeAi,
    /// Amazon Bedrock.
    Bedrock,
    /// Google's Gemini.
    #[strum(serialize = "GOOGLEAI")]
    GoogleAi,
    /// xAI.
    Xai,
    /// Z.ai.
    Zai,
    /// MiniMax.
    #[strum(serialize = "MINIMAX")]
    MiniMax,
    /// Moonshot.
    Moonshot,
    /// StackSpot.
    #[strum(serialize = "STACKSPOT")]
    StackSpot,
    /// A local Ollama.
    Ollama,
    /// GitHub Copilot.
    Copilot,
    /// GitHub Models.
    GithubModels,
    /// OpenRouter.
    #[strum(serialize = "OPENROUTER")]
    OpenRouter,
    /// Devin.
    Devin,
    /// The rules of the server; no language model.
    Builtin,
}

/// The format that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Chat completions of OpenAI.
    OpenAi,
    /// Messages of Anthropic.
    Anthropic,
    /// `generateContent` of Gemini.
    Gemini,
    /// Chat of Ollama.
    Ollama,
    /// Converse of Bedrock.
    Bedrock,
    /// Agents of StackSpot.
    StackSpot,
}

impl Provider {
    /// Reads a name as the contract spells it; the case does not matter.
    pub fn named(name: &str) -> Option<Self> {
        name.trim().to_ascii_uppercase().parse().ok()
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Model that is asked when none is named; none where no model is asked.
    pub fn default_model(self) -> Option<&'static str> {
        Some(match self {
            Self::OpenAi => "gpt-5.4",
            Self::ClaudeAi => "claude-sonnet-4-6",
            Self::Bedrock => "global.anthropic.claude-sonnet-4-6",
            Self::GoogleAi => "gemini-2.5-flash",
            Self::Xai => "grok-4-1",
            Self::Zai => "glm-5",
            Self::MiniMax => "MiniMax-M2.7",
            Self::Moonshot => "kimi-k2.6",
            Self::Ollama => "gpt-oss:20b",
            Self::Copilot => "gpt-4o",
            Self::GithubModels => "openai/gpt-4o",
            Self::OpenRouter => "openai/gpt-5.2",
            // Which model answers is a matter of the agent.
            Self::StackSpot => "agent",
            Self::OpenAiAssistant | Self::Devin | Self::Builtin => return None,
        })
    }

    /// The format that it speaks; otherwise why it cannot be asked, and what to do instead.
    pub fn wire(self) -> Result<Wire, (&'static str, &'static str)> {
        Ok(match self {
            Self::OpenAi
            | Self::Xai
            | Self::Zai
            | Self::MiniMax
            | Self::Moonshot
            | Self::Copilot
            | Self::GithubModels
            | Self::OpenRouter => Wire::OpenAi,
            Self::ClaudeAi => Wire::Anthropic,
            Self::GoogleAi => Wire::Gemini,
            Self::Ollama => Wire::Ollama,
            Self::Bedrock => Wire::Bedrock,
            Self::StackSpot => Wire::StackSpot,
            Self::OpenAiAssistant => {
                return Err((
                    "OpenAI has retired the Assistants API",
                    "set the provider to OPENAI; it takes the same OPENAI_API_KEY",
                ));
            }
            Self::Devin => {
                return Err((
                    "Devin is a local command line tool without a public API, and no pod contains it",
                    "set the provider to another one, such as CLAUDEAI, or to BUILTIN",
                ));
            }
            Self::Builtin => {
                return Err(("BUILTIN analyses by rules and asks no language model", "nothing is to be done"));
            }
        })
    }
}
