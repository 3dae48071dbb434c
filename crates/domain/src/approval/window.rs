//! Change windows: whether a rule lets something run at an instant, and when it will.

use api::approval_policy::ApprovalPolicyRuleChangeWindow as ChangeWindow;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// How a change window stands at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowState {
    /// It is open.
    Open,
    /// It is closed and opens then.
    Closed {
        /// Next opening.
        opens: Timestamp,
    },
    /// It cannot be evaluated; nothing may run.
    Invalid {
        /// What is wrong and what mends it.
        reason: String,
    },
}

/// State of all windows together: open only when each is. `opens` is then the latest of their next openings, at which the
/// question is asked again.
pub fn windows_state(windows: &[ChangeWindow], now: Timestamp) -> WindowState {
    let mut opens_last: Option<Timestamp> = None;
    for window in windows {
        match window_state(window, now) {
            WindowState::Open => {}
            WindowState::Closed { opens } => opens_last = Some(opens_last.map_or(opens, |o| o.max(opens))),
            invalid @ WindowState::Invalid { .. } => return invalid,
        }
    }
    opens_last.map_or(WindowState::Open, |opens| WindowState::Closed { opens })
}

/// State of one window. The days are the days on which the window *starts*: Friday 22 to 6 is open on Saturday at 2.
pub fn window_state(window: &ChangeWindow, now: Timestamp) -> WindowState {
    match evaluate(window, now) {
        Ok(state) => state,
        Err(reason) => WindowState::Invalid { reason },
    }
}

fn evaluate(window: &ChangeWindow, now: Timestamp) -> Result<WindowState, String> {
    let zone = TimeZone::get(&window.timezone).map_err(|_| {
        format!(
            "changeWindow.timezone \"{}\" is not a known IANA time zone; use a name such as \"America/Sao_Paulo\"",
            window.timezone
        )
    })?;
    let (start, end) = hours(window)?;
    let days = weekdays(&window.allowed_days)?;
    let today = now.to_zoned(zone.clone()).date();
    let mut next: Option<Timestamp> = None;
    // Yesterday's window may still be open; a weekly pattern repeats within eight days.
    for offset in -1_i32..=8 {
        let Ok(day) = today.checked_add(offset.days()) else { continue };
        if !days.contains(&day.weekday()) {
            continue;
        }
        let Some((opens, closes)) = span_of(day, start, end, &zone) else { continue };
        if opens <= now && now < closes {
            return Ok(WindowState::Open);
        }
        if opens > now && next.is_none_or(|n| opens < n) {
            next = Some(opens);
        }
    }
    next.map(|opens| WindowState::Closed { opens })
        .ok_or_else(|| "changeWindow never opens; check its days and hours".to_owned())
}

/// A clock change inside the span moves its ends with the wall clock: an hour that does not exist opens when the clock
/// has jumped, an hour that exists twice counts from its first time on.
fn span_of(day: Date, start: i8, end: i8, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let last = if end <= start { day.tomorrow().ok()? } else { day };
    let opens = day.at(start, 0, 0, 0).to_zoned(zone.clone()).ok()?.timestamp();
    let closes = last.at(end, 0, 0, 0).to_zoned(zone.clone()).ok()?.timestamp();
    (opens < closes).then_some((opens, closes))
}

fn hours(window: &ChangeWindow) -> Result<(i8, i8), String> {
    let hour = |value: i32, field: &str| {
        i8::try_from(value)
            .ok()
            .filter(|h| (0..=23).contains(h))
            .ok_or_else(|| format!("changeWindow.{field} is {value}; hours go from 0 to 23"))
    };
    let (start, end) = (hour(window.start_hour, "startHour")?, hour(window.end_hour, "endHour")?);
    if start == end {
        return Err(format!(
            "changeWindow.startHour and endHour are both {start}, which says neither never nor always; give different hours or leave the window out"
        ));
    }
    Ok((start, end))
}

fn weekdays(names: &[String]) -> Result<Vec<Weekday>, String> {
    let days = names.iter().map(|n| weekday(n)).collect::<Result<Vec<_>, _>>()?;
    if days.is_empty() {
        return Err("changeWindow.allowedDays names no day; name at least one, for example \"Monday\"".to_owned());
    }
    Ok(days)
}

fn weekday(name: &str) -> Result<Weekday, String> {
    Ok(match name.trim().to_ascii_lowercase().as_str() {
        "monday" | "mon" => Weekday::Monday,
        "tuesday" | "tue" => Weekday::Tuesday,
        "wednesday" | "wed" => Weekday::Wednesday,
        "thursday" | "thu" => Weekday::Thursday,
        "friday" | "fri" => Weekday::Friday,
        "saturday" | "sat" => Weekday::Saturday,
        "sunday" | "sun" => Weekday::Sunday,
        _ => return Err(format!("changeWindow.allowedDays holds \"{name}\"; days are English weekday names")),
    })
}
