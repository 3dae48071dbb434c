//! What the exit code of a process means.

/// What a code means, as the end of "it was …" or "it …"; none for codes that each program uses as it likes.
pub(super) fn meaning(code: i32) -> Option<&'static str> {
    Some(match code {
        0 => "ends without an error instead of running on",
        126 => "has a command that may not be executed",
        127 => "has a command that is not in the image",
        130 => "was interrupted (SIGINT)",
        134 => "aborted itself (SIGABRT)",
        135 => "crashed on a bad memory access (SIGBUS)",
        136 => "crashed on an arithmetic fault (SIGFPE)",
        132 => "crashed on an instruction that the processor does not know (SIGILL)",
        137 => "was killed (SIGKILL)",
        139 => "crashed on a bad memory access (SIGSEGV)",
        143 => "was told to stop (SIGTERM)",
        _ => return None,
    })
}

/// The code in a symptom's value, `exit code 1, 3 restarts`.
pub(super) fn code(value: &str) -> Option<i32> {
    let (_, rest) = value.split_once("exit code ")?;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}
