//! Calendar dates of the one time Quench knows: `SOURCE_DATE_EPOCH`. Pure; reads no clock.

/// A calendar date and time of day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    /// Days since Thursday, 1 January 1970.
    pub days: i64,
}

/// Converts seconds since 1970 to a calendar date, after Howard Hinnant's public description of
/// civil-from-days.
pub fn civil(date: i64) -> Civil {
    let days = date.div_euclid(86_400);
    let seconds = date.rem_euclid(86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        days,
    }
}

/// Seconds since 1970 as ISO 8601 text: `2026-08-01T13:23:45Z`.
pub fn iso8601(date: i64) -> String {
    let c = civil(date);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    )
}

#[cfg(test)]
mod tests {
    use super::iso8601;

    #[test]
    fn dates_are_written_as_sboms_do() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso8601(1_709_164_800), "2024-02-29T00:00:00Z");
        assert_eq!(iso8601(1_785_590_625), "2026-08-01T13:23:45Z");
        assert_eq!(iso8601(-1), "1969-12-31T23:59:59Z");
    }
}
