//! Who calls, and what they may do: the shared token, JWTs, roles.
//!
//! What lives here: from the value of an `authorization` header to a caller. What does not: how often they may call
//! (`buckets`), and which files the secrets come from (the binary).

mod crypto;
mod jwt;
mod token;

#[cfg(test)]
pub(crate) use jwt::tests as testing;
pub use jwt::{BadKeys, Jwt};
pub use token::{EmptyToken, Token};

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Admin,
    User,
    /// Sees; asks for nothing that costs money or work.
    Readonly,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Readonly => "readonly",
        }
    }
}

/// A caller whose credentials hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Who; `anonymous` where nobody has to say.
    pub(crate) subject: String,
    pub(crate) role: Role,
}

/// What callers must show. Without any of both, everybody is let in who reaches the port.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The shared token; whoever has it may do everything.
    pub token: Option<Token>,
    /// JWTs, each with a subject and a role.
    pub jwt: Option<Jwt>,
}

impl Access {
    /// Whether callers must show anything.
    pub fn is_guarded(&self) -> bool {
        self.token.is_some() || self.jwt.is_some()
    }

    /// Who shows this header. The refusal begins with what chatcli 1.188 says, for the sake of those who look for it.
    pub(crate) fn caller(&self, header: Option<&[u8]>) -> Result<Caller, String> {
        if !self.is_guarded() {
            return Ok(Caller { subject: "anonymous".to_owned(), role: Role::Admin });
        }
        let refused = |why: &str| Err(format!("authentication failed: {why}"));
        let Some(header) = header else {
            return refused(
                "no bearer token was given; remedy: send `authorization: Bearer TOKEN` with the content of the server's --token-file, or a JWT",
            );
        };
        if self.token.as_ref().is_some_and(|token| token.permits(header)) {
            return Ok(Caller { subject: "token".to_owned(), role: Role::Admin });
        }
        let shown = token::bearer(header).and_then(|text| std::str::from_utf8(text).ok());
        let problem = match (&self.jwt, shown) {
            (Some(jwt), Some(shown)) if shown.split('.').count() == 3 => match jwt.caller(shown) {
                Ok(caller) => return Ok(caller),
                Err(why) => why,
            },
            _ => String::new(),
        };
        if !problem.is_empty() {
            return refused(&problem);
        }
        refused(
            "the bearer token is not the server's; remedy: use the content of the server's --token-file, or a JWT that it accepts",
        )
    }
}
