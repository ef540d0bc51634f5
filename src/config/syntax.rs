//! How single values are written. Each function takes the text of one value and gives its meaning, or says in half a
//! sentence why it has none.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use jiff::tz::{Offset, TimeZone};

use super::types::{AppKey, Secret};
use crate::limits;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A number, and what follows it, without the spaces between.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    Some((digits.parse().ok()?, suffix.trim_start()))
}

/// A whole number.
pub(super) fn parse_count(text: &str) -> Option<u64> {
    let (number, suffix) = split_number(text)?;
    suffix.is_empty().then_some(number)
}

/// Bytes: a number alone, or with `k` or `KiB` (1,024), or `m` or `MiB`.
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
    let (number, suffix) = split_number(text)?;
    let unit = match suffix.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" | "kib" => KIB,
        "m" | "mib" => MIB,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Seconds: a number alone, or with `s`, `m`, `h` or `d`.
pub(super) fn parse_seconds(text: &str) -> Option<u64> {
    let (number, suffix) = split_number(text)?;
    let unit = match suffix {
        "" | "s" => 1,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Bytes as [`parse_bytes`] reads them, in the largest unit that divides them.
pub(super) fn show_bytes(bytes: u64) -> String {
    match bytes {
        _ if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ if bytes >= KIB && bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        _ => bytes.to_string(),
    }
}

/// Seconds as [`parse_seconds`] reads them, in the largest unit that divides them.
pub(super) fn show_seconds(seconds: u64) -> String {
    match seconds {
        _ if seconds >= DAY && seconds.is_multiple_of(DAY) => format!("{}d", seconds / DAY),
        _ if seconds >= HOUR && seconds.is_multiple_of(HOUR) => format!("{}h", seconds / HOUR),
        _ => format!("{seconds}s"),
    }
}

/// An address with a port. `localhost` is 127.0.0.1; other host names are not resolved, so that starting never waits for DNS.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, &'static str> {
    if let Some((host, port)) = text.rsplit_once(':')
        && host.eq_ignore_ascii_case("localhost")
    {
        let port = port.parse().map_err(|_| "the port is 0 to 65535")?;
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse()
        .map_err(|_| "it takes a number for the address (host names are not resolved) and the port")
}

/// `+HH:MM`, `-HH:MM`, `UTC` or a name of the zone database.
pub(super) fn parse_timezone(text: &str) -> Result<TimeZone, &'static str> {
    if text.eq_ignore_ascii_case("UTC") {
        return Ok(TimeZone::UTC);
    }
    if text.starts_with(['+', '-']) {
        return parse_offset(text)
            .map(TimeZone::fixed)
            .ok_or("an offset has two digits for hours and two for minutes");
    }
    TimeZone::get(text).map_err(|_| "the zone database of this machine has no such name")
}

fn parse_offset(text: &str) -> Option<Offset> {
    let two_digits = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    Offset::from_seconds(sign * (hours * 60 + minutes) * 60).ok()
}

/// An `http` or `https` origin with an optional path, given back without slashes at its end.
pub(super) fn parse_public_url(text: &str) -> Result<String, &'static str> {
    let (mut url, path) = split_origin(text)?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err("the scheme is http or https");
    }
    // RFC 3986 §3.3; without `?` and `#` there is neither query nor fragment.
    let is_path = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&b);
    if !path.bytes().all(is_path) {
        return Err("after the host there is only a path, percent-encoded");
    }
    url.push_str(path.trim_end_matches('/'));
    Ok(url)
}

/// An origin as browsers send it.
pub(super) fn parse_origin(text: &str) -> Result<String, &'static str> {
    match split_origin(text)? {
        (origin, "") => Ok(origin),
        _ => Err("nothing follows the host and port, not even a slash"),
    }
}

/// The origin at the start of a URL, in the form in which browsers send it (RFC 6454 §6.2: lower case, no default port), and the rest.
fn split_origin(text: &str) -> Result<(String, &str), &'static str> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("it starts with a scheme, such as https://")?;
    let scheme = scheme.to_ascii_lowercase();
    // RFC 3986 §3.1.
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        || !scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    {
        return Err("the scheme is made of letters and digits");
    }
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let mut origin = format!("{scheme}://{}", normal_host(host)?);
    if let Some(port) = port {
        let port: u16 = port.parse().map_err(|_| "the port is 1 to 65535")?;
        match (scheme.as_str(), port) {
            (_, 0) => return Err("the port is 1 to 65535"),
            ("http", 80) | ("https", 443) => {}
            _ => origin.push_str(&format!(":{port}")),
        }
    }
    Ok((origin, rest))
}

fn normal_host(host: &str) -> Result<String, &'static str> {
    let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if let Some(address) = inside {
        let address: Ipv6Addr = address
            .parse()
            .map_err(|_| "an IPv6 address stands in the brackets")?;
        return Ok(format!("[{address}]"));
    }
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if host.is_empty() || !host.bytes().all(is_name) {
        return Err(
            "the host is a name in ASCII or an address, without a user and without wildcards",
        );
    }
    Ok(host.to_ascii_lowercase())
}

/// `ID:SECRET`. What it says in an error never holds the secret.
pub(super) fn parse_app_key(text: &str) -> Result<AppKey, &'static str> {
    let (id, secret) = text.split_once(':').ok_or("a colon ends the id")?;
    let is_id = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if id.is_empty() || id.len() > limits::APP_ID_BYTES_MAX || !id.bytes().all(is_id) {
        return Err("the id has 1 to 64 letters, digits, dots, underscores and hyphens");
    }
    if secret.len() < limits::APP_SECRET_BYTES_MIN {
        return Err("the secret has at least 16 bytes");
    }
    if secret.len() > limits::APP_SECRET_BYTES_MAX || !secret.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err("the secret has at most 256 bytes, all visible ASCII");
    }
    Ok(AppKey {
        id: id.to_owned(),
        secret: Secret(secret.to_owned()),
    })
}

/// The name of a JSON field that needs no escaping.
pub(super) fn parse_field_name(text: &str) -> Result<String, &'static str> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if text.is_empty() || text.len() > limits::TEXT_FIELD_BYTES_MAX || !text.bytes().all(is_name) {
        return Err("it has 1 to 64 letters, digits and underscores");
    }
    Ok(text.to_owned())
}
