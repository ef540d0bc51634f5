//! Times as the contracts show them: text in the configured zone.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::domain::ids::TimeMs;

/// Appends `yyyy-MM-dd HH:mm:ss`. Times before 1970 and after 9999 show as those ends.
pub fn put_date_time(out: &mut Vec<u8>, zone: &TimeZone, at: TimeMs) {
    let time = civil(zone, at);
    put_digits(out, time.year(), 4);
    out.push(b'-');
    put_digits(out, time.month(), 2);
    out.push(b'-');
    put_digits(out, time.day(), 2);
    out.push(b' ');
    put_digits(out, time.hour(), 2);
    out.push(b':');
    put_digits(out, time.minute(), 2);
    out.push(b':');
    put_digits(out, time.second(), 2);
}

/// Appends `yyyyMMddHHmmssSSS`, 17 digits. Times before 1970 and after 9999 show as those ends.
pub fn put_digits_to_ms(out: &mut Vec<u8>, zone: &TimeZone, at: TimeMs) {
    let time = civil(zone, at);
    put_digits(out, time.year(), 4);
    for two in [
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
    ] {
        put_digits(out, two, 2);
    }
    put_digits(out, time.millisecond(), 3);
}

fn civil(zone: &TimeZone, at: TimeMs) -> DateTime {
    zone.to_datetime(Timestamp::from_millisecond(at.0.max(0)).unwrap_or(Timestamp::MAX))
}

fn put_digits(out: &mut Vec<u8>, number: impl Into<i32>, width: u32) {
    let number = number.into().unsigned_abs();
    for place in (0..width).rev() {
        let digit = number / 10u32.pow(place) % 10;
        out.push(b'0' + digit as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::offset;
    use proptest::prelude::*;

    fn shown(zone: &TimeZone, at: i64) -> [String; 2] {
        let mut text = [Vec::new(), Vec::new()];
        put_date_time(&mut text[0], zone, TimeMs(at));
        put_digits_to_ms(&mut text[1], zone, TimeMs(at));
        text.map(|text| String::from_utf8(text).expect("ASCII"))
    }

    #[test]
    fn known_times() {
        let zone = TimeZone::fixed(offset(8));
        assert_eq!(
            shown(&zone, 1_497_606_083_007),
            ["2017-06-16 17:41:23", "20170616174123007"]
        );
        assert_eq!(
            shown(&zone, 0),
            ["1970-01-01 08:00:00", "19700101080000000"]
        );
        assert_eq!(shown(&zone, i64::MIN), shown(&zone, 0));
        assert!(shown(&zone, i64::MAX)[0].starts_with("9999-12-"));
    }

    proptest! {
        #[test]
        fn as_another_writer_shows_them(at in 0..253_402_200_000_000_i64, hours in -12..=14_i8) {
            let zone = TimeZone::fixed(offset(hours));
            let zoned = Timestamp::from_millisecond(at).expect("in range").to_zoned(zone.clone());
            let expected = ["%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S%3f"].map(|format| zoned.strftime(format).to_string());
            prop_assert_eq!(shown(&zone, at), expected);
        }
    }
}
