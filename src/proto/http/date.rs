//! The date format of HTTP (RFC 9110 §5.6.7).

/// A rendered IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`: always ASCII.
pub type ImfFixdate = [u8; 29];

const SECONDS_A_DAY: u64 = 86_400;
/// 9999-12-31T23:59:59Z: the format has four digits for the year.
const UNIX_SECONDS_MAX: u64 = 253_402_300_799;

/// Renders seconds since 1970-01-01T00:00:00Z. Times after the year 9999 render as its last second.
pub fn imf_fixdate(unix_seconds: u64) -> ImfFixdate {
    const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let unix_seconds = unix_seconds.min(UNIX_SECONDS_MAX);
    let days = unix_seconds / SECONDS_A_DAY;
    let second_of_day = unix_seconds % SECONDS_A_DAY;
    let (year, month, day) = civil_from_days(days);

    let mut out = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    out[0..3].copy_from_slice(WEEKDAYS[(days % 7) as usize]);
    put_two_digits(&mut out, 5, day);
    out[8..11].copy_from_slice(MONTHS[(month - 1) as usize]);
    put_two_digits(&mut out, 12, year / 100);
    put_two_digits(&mut out, 14, year % 100);
    put_two_digits(&mut out, 17, second_of_day / 3600);
    put_two_digits(&mut out, 20, second_of_day / 60 % 60);
    put_two_digits(&mut out, 23, second_of_day % 60);
    out
}

fn put_two_digits(out: &mut ImfFixdate, at: usize, value: u64) {
    out[at] = b'0' + (value / 10 % 10) as u8;
    out[at + 1] = b'0' + (value % 10) as u8;
}

/// Year, month (1 to 12) and day (1 to 31) of a day since 1970-01-01, in the proleptic Gregorian calendar. Counts
/// years from March, which puts the leap day at their end, in eras of 400 years.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    const DAYS_AN_ERA: u64 = 146_097;
    const DAYS_0000_03_01_TO_1970_01_01: u64 = 719_468;
    let days = days + DAYS_0000_03_01_TO_1970_01_01;
    let day_of_era = days % DAYS_AN_ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = days / DAYS_AN_ERA * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(unix_seconds: u64) -> String {
        String::from_utf8(imf_fixdate(unix_seconds).to_vec()).expect("ASCII")
    }

    #[test]
    fn known_dates() {
        assert_eq!(rendered(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(rendered(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(rendered(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(rendered(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(rendered(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(unix_seconds in 0..=253_402_207_200u64) {
            let timestamp = jiff::Timestamp::from_second(unix_seconds as i64).expect("in range");
            let expected = timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            prop_assert_eq!(rendered(unix_seconds), expected);
        }
    }
}
