//! Kubernetes quantities, exact.

use std::fmt;

/// An amount in thousandths of its unit, with the text that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    text: String,
    millis: i128,
}

impl Quantity {
    /// Reads a quantity such as `512Mi`, `0.5`, `250m` or `1e3`. Negative ones and more than three fractional digits that
    /// cannot be kept exactly are refused.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let number_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, suffix) = (text.get(..number_end)?, text.get(number_end..)?);
        let (numerator, denominator) = scale(suffix)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if number.is_empty() || (whole.is_empty() && fraction.is_empty()) || whole.len() > 18 || fraction.len() > 9 {
            return None;
        }
        let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
        let fraction_size = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let over = digits.checked_mul(numerator)?;
        let under = fraction_size.checked_mul(denominator)?;
        (over.checked_rem(under)? == 0).then(|| Self { text: text.to_owned(), millis: over / under })
    }

    /// The amount in thousandths of its unit (bytes, cores).
    pub fn millis(&self) -> i128 {
        self.millis
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Thousandths that one unit of the suffix is, as a fraction.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| Some((1000 * 1024_i128.pow(power), 1));
    let decimal = |power: u32| Some((1000 * 10_i128.pow(power), 1));
    match suffix {
        "" => Some((1000, 1)),
        "n" => Some((1, 1_000_000)),
        "u" => Some((1, 1000)),
        "m" => Some((1, 1)),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let exponent: u32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
            (exponent <= 18).then(|| (1000 * 10_i128.pow(exponent), 1))
        }
    }
}
