//! Quantities formatted for people to read.

/// Formats a number of bytes in decimal units: `888 B`, `90.4 kB`, `7.2 MB`, `1.31 GB`.
pub fn bytes(count: u64) -> String {
    let size = count as f64;
    match size {
        _ if size >= 1e9 => format!("{:.2} GB", size / 1e9),
        _ if size >= 1e6 => format!("{:.1} MB", size / 1e6),
        _ if size >= 1e3 => format!("{:.1} kB", size / 1e3),
        _ => format!("{count} B"),
    }
}

/// Formats a duration to about two digits: `42 s`, `1:40` (minutes and seconds), `2 h 05` (hours and
/// minutes). Durations of 100 hours and more are shown as `99 h 59`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round().min(359_999.0) as u64;
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5999 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{} h {:02}", seconds / 3600, seconds / 60 % 60),
    }
}

/// Shortens a message that quotes a long value to its first 200 characters and its last 80.
pub fn shortened(message: &str) -> String {
    const START: usize = 200;
    const END: usize = 80;
    let count = message.chars().count();
    if count <= START + END {
        return message.into();
    }
    let start: String = message.chars().take(START).collect();
    let end: String = message.chars().skip(count - END).collect();
    format!("{start} … {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_or_so() {
        assert_eq!(bytes(888), "888 B");
        assert_eq!(bytes(90_378), "90.4 kB");
        assert_eq!(bytes(7_188_730), "7.2 MB");
        assert_eq!(bytes(3_132_668_804), "3.13 GB");
    }

    #[test]
    fn long_values_are_cut_and_the_reason_stays() {
        let long = format!("config.json: '{}' is no activation", "x".repeat(5000));
        let shown = shortened(&long);
        assert!(shown.starts_with("config.json: 'xxx") && shown.ends_with("' is no activation"));
        assert_eq!(shown.chars().count(), 283);
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn durations_change_their_unit() {
        assert_eq!(duration(98.6), "99 s");
        assert_eq!(duration(100.0), "1:40");
        assert_eq!(duration(7500.0), "2 h 05");
        assert_eq!(duration(f64::INFINITY), "99 h 59");
    }
}
