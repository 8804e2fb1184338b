//! Numbers, sizes, times and money as a reader wants to see them. English, UTC.

use askama::Template;
use askama::filters::HtmlSafe;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};

/// An instant, ready to print: `{{ key.created_at }}` gives a `<time>` that reads as relative
/// and shows the absolute time on hover and to machines.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<time datetime="{{ iso }}" title="{{ absolute }}">{{ relative }}</time>"#,
    ext = "html"
)]
pub struct Moment {
    pub iso: String,
    pub absolute: String,
    pub relative: String,
}

impl HtmlSafe for Moment {}

#[must_use]
pub fn moment(at: OffsetDateTime, now: OffsetDateTime) -> Moment {
    Moment {
        iso: rfc3339(at),
        absolute: absolute(at),
        relative: relative(at, now),
    }
}

/// `2026-11-22T14:03:00Z`.
#[must_use]
pub fn rfc3339(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC)
        .truncate_to_second()
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// `22 Nov 2026, 14:03 UTC`.
#[must_use]
pub fn absolute(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC)
        .format(format_description!(
            "[day padding:none] [month repr:short] [year], [hour]:[minute] UTC"
        ))
        .unwrap_or_default()
}

/// `Firefox on Linux`, as far as a browser's name for itself (`User-Agent`) tells.
#[must_use]
pub fn device(agent: &str) -> String {
    // Browsers name those whose pages they want to be shown, too: the most particular comes first.
    const BROWSERS: [(&str, &str); 7] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find = |known: &[(&str, &'static str)]| {
        let found = known.iter().find(|(mark, _)| agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => agent
            .split_whitespace()
            .next()
            .map_or("An unknown browser".to_owned(), |name| {
                name.chars().take(40).collect()
            }),
    }
}

/// `22 Nov 2026`.
#[must_use]
pub fn date(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC)
        .format(format_description!(
            "[day padding:none] [month repr:short] [year]"
        ))
        .unwrap_or_default()
}

/// The value of an `<input type="datetime-local">`, in UTC: `2026-11-22T14:03`.
#[must_use]
pub fn input_date_time(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]"))
        .unwrap_or_default()
}

/// `just now`, `5 minutes ago`, `in 3 days`.
#[must_use]
pub fn relative(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let distance = at - now;
    let text = duration(distance.abs());
    if distance.abs() < Duration::seconds(10) {
        "just now".to_owned()
    } else if distance.is_negative() {
        format!("{text} ago")
    } else {
        format!("in {text}")
    }
}

/// A length in its largest whole unit: `45 seconds`, `1 hour`, `3 days`.
#[must_use]
pub fn duration(length: Duration) -> String {
    let seconds = length.whole_seconds().unsigned_abs();
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        86_400..2_592_000 => (seconds / 86_400, "day"),
        2_592_000..31_536_000 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    plural(count, unit)
}

/// `1 key`, `1,200 keys`.
#[must_use]
pub fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", thousands(count))
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// For axes and tight places: `950`, `1.2k`, `34k`, `5.6M`.
#[must_use]
pub fn compact(number: u64) -> String {
    let (unit, letter) = match number {
        0..1_000 => return number.to_string(),
        1_000..1_000_000 => (1_000, "k"),
        1_000_000..1_000_000_000 => (1_000_000, "M"),
        _ => (1_000_000_000, "G"),
    };
    let tenths = number / (unit / 10);
    if tenths < 100 && !tenths.is_multiple_of(10) {
        format!("{}.{}{letter}", tenths / 10, tenths % 10)
    } else {
        format!("{}{letter}", thousands(tenths / 10))
    }
}

/// Binary units: `512 B`, `1.5 KiB`, `20 MiB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut unit = 0;
    let mut scaled = number;
    while scaled >= 1024 * 1024 && unit + 1 < UNITS.len() {
        scaled /= 1024;
        unit += 1;
    }
    let tenths = scaled * 10 / 1024;
    if tenths < 100 && !tenths.is_multiple_of(10) {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// A rate kept in thousandths per second: `10 per second`, `0.5 per second`.
#[must_use]
pub fn rate(thousandths_per_second: u64) -> String {
    format!("{} per second", decimal(thousandths_per_second, 3))
}

/// The share of `part` in `whole`, in whole percent; never 100 unless all of it.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    if tenths == 0 && part > 0 {
        return "< 0.1 %".to_owned();
    }
    if tenths.is_multiple_of(10) {
        format!("{} %", tenths / 10)
    } else {
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

/// An amount in minor units: `€29.00`, `1,200 JPY`.
#[must_use]
pub fn money(amount_minor: u64, currency: &str) -> String {
    let digits = minor_digits(currency);
    let divisor = 10_u64.pow(digits);
    let whole = thousands(amount_minor / divisor);
    let amount = match digits {
        0 => whole,
        _ => format!(
            "{whole}.{:0width$}",
            amount_minor % divisor,
            width = digits as usize
        ),
    };
    match currency {
        "EUR" => format!("€{amount}"),
        "USD" => format!("${amount}"),
        "GBP" => format!("£{amount}"),
        _ => format!("{amount} {currency}"),
    }
}

/// Digits after the point of a currency (ISO 4217).
#[must_use]
pub fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// A fixed-point number without trailing zeros: `decimal(1500, 3)` is `1.5`.
#[must_use]
pub fn decimal(scaled: u64, digits: u32) -> String {
    let divisor = 10_u64.pow(digits);
    let whole = thousands(scaled / divisor);
    let fraction = format!("{:0width$}", scaled % divisor, width = digits as usize);
    match fraction.trim_end_matches('0') {
        "" => whole,
        rest => format!("{whole}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[track_caller]
    fn check(actual: &str, expected: &str) {
        assert_eq!(actual, expected);
    }

    #[test]
    fn numbers_are_grouped_and_shortened() {
        check(&thousands(0), "0");
        check(&thousands(999), "999");
        check(&thousands(1_000), "1,000");
        check(&thousands(1_234_567), "1,234,567");
        check(&compact(999), "999");
        check(&compact(1_000), "1k");
        check(&compact(1_250), "1.2k");
        check(&compact(34_900), "34k");
        check(&compact(5_600_000), "5.6M");
        check(&bytes(1_023), "1023 B");
        check(&bytes(1_536), "1.5 KiB");
        check(&bytes(20 * 1024 * 1024), "20 MiB");
        check(&plural(1, "key"), "1 key");
        check(&plural(1_200, "key"), "1,200 keys");
    }

    #[test]
    fn rates_money_and_shares_keep_what_matters() {
        check(&rate(500), "0.5 per second");
        check(&rate(10_000), "10 per second");
        check(&money(2_900, "EUR"), "€29.00");
        check(&money(123_456_789, "USD"), "$1,234,567.89");
        check(&money(1_200, "JPY"), "1,200 JPY");
        check(&money(5, "CHF"), "0.05 CHF");
        check(&percent(0, 0), "–");
        check(&percent(1, 100_000), "< 0.1 %");
        check(&percent(999_999, 1_000_000), "99.9 %");
        check(&percent(5, 5), "100 %");
    }

    #[test]
    fn times_read_relative_and_absolute() {
        let now = datetime!(2026-11-22 14:03:00 UTC);
        check(&relative(now, now), "just now");
        check(
            &relative(now - Duration::seconds(59), now),
            "59 seconds ago",
        );
        check(&relative(now - Duration::seconds(60), now), "1 minute ago");
        check(&relative(now + Duration::hours(49), now), "in 2 days");
        check(&absolute(now), "22 Nov 2026, 14:03 UTC");
        check(&rfc3339(now), "2026-11-22T14:03:00Z");
        check(&input_date_time(now), "2026-11-22T14:03");
        check(
            &moment(now - Duration::days(400), now).to_string(),
            r#"<time datetime="2025-10-18T14:03:00Z" title="18 Oct 2025, 14:03 UTC">1 year ago</time>"#,
        );
    }
}
