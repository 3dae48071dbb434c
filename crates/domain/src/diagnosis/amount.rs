//! Kubernetes quantities for sums: exact to a thousandth, finer parts rounded up.

/// An amount in thousandths of its unit; none when the text is no quantity.
pub fn millis(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 19 || fraction.len() > 12 {
        return None;
    }
    let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let (up, down) = scale(suffix)?;
    let down = down.checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    let value = digits.checked_mul(up)?;
    let rounded = value.checked_add(down - 1)?.checked_div(down)?;
    Some(if negative { -rounded } else { rounded })
}

/// Thousandths in one unit of a suffix, as a fraction.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let power = |base: i128, exponent: u32| Some((1000 * base.checked_pow(exponent)?, 1));
    match suffix {
        "" => Some((1000, 1)),
        "n" => Some((1, 1_000_000)),
        "u" => Some((1, 1_000)),
        "m" => Some((1, 1)),
        "k" => power(10, 3),
        "M" => power(10, 6),
        "G" => power(10, 9),
        "T" => power(10, 12),
        "P" => power(10, 15),
        "E" => power(10, 18),
        "Ki" => power(1024, 1),
        "Mi" => power(1024, 2),
        "Gi" => power(1024, 3),
        "Ti" => power(1024, 4),
        "Pi" => power(1024, 5),
        "Ei" => power(1024, 6),
        other => power(10, other.strip_prefix(['e', 'E'])?.parse().ok().filter(|e| *e <= 18)?),
    }
}

/// Bytes as people write them: whole Gi, Mi or Ki where they fit.
pub fn bytes(bytes: i128) -> String {
    for (unit, name) in [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")] {
        if bytes >= unit && bytes % unit == 0 {
            return format!("{}{name}", bytes / unit);
        }
    }
    if bytes >= 1 << 20 {
        return format!("{}Mi", bytes >> 20);
    }
    bytes.to_string()
}

/// Thousandths of a resource as people write them.
pub fn show(resource: &str, millis: i128) -> String {
    match resource {
        "memory" | "ephemeral-storage" => bytes(millis / 1000),
        _ if resource.starts_with("hugepages-") => bytes(millis / 1000),
        _ if millis % 1000 == 0 => (millis / 1000).to_string(),
        _ => format!("{millis}m"),
    }
}

/// Twice an amount of bytes, rounded up to a power of two of Mi.
pub fn doubled(bytes_now: i128) -> i128 {
    const MI: i128 = 1 << 20;
    let wanted = (bytes_now.saturating_mul(2) + MI - 1) / MI;
    let mut size = 16;
    while size < wanted {
        size *= 2;
    }
    size * MI
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("1", 1000),
            ("250m", 250),
            ("0.5", 500),
            ("1.5", 1500),
            ("1Ki", 1_024_000),
            ("64Mi", 64 * 1024 * 1024 * 1000),
            ("1.5Gi", 1_610_612_736_000),
            ("1e3", 1_000_000),
            ("5M", 5_000_000_000),
            ("1500000n", 2),
            ("100u", 1),
            ("-1", -1000),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
        for text in ["", "Mi", "1 Gi", "1GiB", "x", ".", "1e99", "99999999999999999999"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn memory_is_doubled_to_a_power_of_two() {
        const MI: i128 = 1 << 20;
        for (now, then) in [(32, "64Mi"), (50, "128Mi"), (64, "128Mi"), (100, "256Mi"), (512, "1Gi"), (1, "16Mi")] {
            assert_eq!(bytes(doubled(now * MI)), then);
        }
    }

    #[test]
    fn amounts_are_shown_short() {
        assert_eq!(show("cpu", 1500), "1500m");
        assert_eq!(show("cpu", 2000), "2");
        assert_eq!(show("memory", 24_683_912 * 1024 * 1000), "24683912Ki");
        assert_eq!(show("nvidia.com/gpu", 1000), "1");
    }
}
