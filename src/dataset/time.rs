//! Times as chat exports have them.

/// An ISO text as it is, and seconds or milliseconds since 1970 as ISO in UTC.
pub fn iso(raw: &str) -> Option<String> {
    if let Some(text) = super::json::string(raw) {
        return (!text.trim().is_empty()).then(|| text.into_owned());
    }
    let number: f64 = raw.parse().ok()?;
    // Milliseconds since 1973 are seconds of the year 5138.
    let seconds = if number.abs() >= 1e11 { number / 1000.0 } else { number };
    // The years 0 to 9999.
    if !(-62_167_219_200.0..253_402_300_800.0).contains(&seconds) {
        return None;
    }
    let seconds = seconds.floor() as i64;
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    Some(format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60))
}

/// The date so many days after 1970-01-01, by the eras of 400 years (<https://howardhinnant.github.io/date_algorithms.html>).
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    (year + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::iso;

    #[test]
    fn seconds_are_dates() {
        for (raw, text) in [
            ("1700000000.25", "2023-11-14T22:13:20Z"),
            ("1700000000000", "2023-11-14T22:13:20Z"),
            ("951782400", "2000-02-29T00:00:00Z"),
            ("-1", "1969-12-31T23:59:59Z"),
            ("\"2025-01-01T00:00:00Z\"", "2025-01-01T00:00:00Z"),
        ] {
            assert_eq!(iso(raw).as_deref(), Some(text));
        }
        assert!(iso("null").is_none() && iso("1e300").is_none() && iso("\" \"").is_none());
    }
}
