//! `multipart/form-data` (RFC 7578, in the framing of RFC 2046 §5.1).
//!
//! The body is complete when it is parsed; parts are borrowed from it. Each byte is looked at a bounded number of
//! times, whatever the body holds.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;

use crate::limits::{MULTIPART_HEADER_BYTES_MAX, MULTIPART_HEADER_COUNT_MAX, MULTIPART_PARTS_MAX};

/// Longest boundary in bytes (RFC 2046 §5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// One part: a field of the form, or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The name of the field.
    pub name: Cow<'a, str>,
    /// The name that the client gives the file: not to be trusted as a name of anything here.
    pub filename: Option<Cow<'a, str>>,
    /// `Content-Type` of the part.
    pub content_type: Option<&'a str>,
    /// The content.
    pub body: &'a [u8],
}

/// Why a body cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultipartError {
    /// The content type is not `multipart/form-data`.
    NotFormData,
    /// The content type has no boundary, or one that RFC 2046 does not allow.
    BadBoundary,
    /// There is no closing delimiter.
    Truncated,
    /// Something else than a line end follows a boundary.
    BadDelimiter,
    /// More than [`MULTIPART_PARTS_MAX`] parts.
    TooManyParts,
    /// More than [`MULTIPART_HEADER_BYTES_MAX`] bytes or [`MULTIPART_HEADER_COUNT_MAX`] fields before a part's content.
    HeaderTooLarge,
    /// A header field of a part is malformed.
    BadHeader,
    /// `Content-Disposition` of a part is missing, repeated, malformed, not `form-data` or without a name.
    BadDisposition,
    /// A name, file name or content type is not UTF-8.
    NotUtf8,
    /// A transfer encoding that would have to be undone; RFC 7578 §4.7 has none.
    Encoded,
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFormData => "not multipart/form-data",
            Self::BadBoundary => "bad boundary",
            Self::Truncated => "no closing delimiter",
            Self::BadDelimiter => "bad delimiter line",
            Self::TooManyParts => "too many parts",
            Self::HeaderTooLarge => "header fields of a part too large",
            Self::BadHeader => "bad header field in a part",
            Self::BadDisposition => "bad Content-Disposition",
            Self::NotUtf8 => "not UTF-8",
            Self::Encoded => "transfer encoding not supported",
        })
    }
}

impl std::error::Error for MultipartError {}

/// Parses a complete body. `content_type` is the request's, which names the boundary.
///
/// # Errors
/// When it is malformed, is not complete or goes beyond a limit.
pub fn parse<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, MultipartError> {
    let mut parts = Vec::new();
    parse_into(content_type, body, &mut parts)?;
    Ok(parts)
}

/// The same; the parts before an error are in `parts`, which was empty.
///
/// # Errors
/// As [`parse`] has them.
pub fn parse_into<'a>(
    content_type: &str,
    body: &'a [u8],
    parts: &mut Vec<Part<'a>>,
) -> Result<(), MultipartError> {
    let boundary = boundary(content_type)?;
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut rest = match body
        .strip_prefix(b"--")
        .and_then(|body| body.strip_prefix(boundary.as_bytes()))
    {
        Some(rest) => rest,
        None => split_at_delimiter(body, &finder)?.1,
    };
    loop {
        if let Some(after) = rest.strip_prefix(b"--") {
            return match skip_padding(after) {
                [] | [b'\r', b'\n', ..] => Ok(()),
                _ => Err(MultipartError::BadDelimiter),
            };
        }
        let Some(content) = skip_padding(rest).strip_prefix(b"\r\n") else {
            return Err(MultipartError::BadDelimiter);
        };
        if parts.len() == MULTIPART_PARTS_MAX {
            return Err(MultipartError::TooManyParts);
        }
        let (part, after) = split_at_delimiter(content, &finder)?;
        parts.push(parse_part(part)?);
        rest = after;
    }
}

/// What stands before and after the next delimiter.
fn split_at_delimiter<'a>(
    bytes: &'a [u8],
    finder: &memmem::Finder<'_>,
) -> Result<(&'a [u8], &'a [u8]), MultipartError> {
    finder
        .find(bytes)
        .and_then(|at| Some((bytes.get(..at)?, bytes.get(at + finder.needle().len()..)?)))
        .ok_or(MultipartError::Truncated)
}

/// Skips the white space that may stand between a boundary and the end of its line (RFC 2046 §5.1.1).
fn skip_padding(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

fn boundary(content_type: &str) -> Result<Cow<'_, str>, MultipartError> {
    let (media_type, parameters) = split_parameters(content_type);
    if !media_type.eq_ignore_ascii_case("multipart/form-data") {
        return Err(MultipartError::NotFormData);
    }
    let [boundary] =
        find_parameters(parameters, ["boundary"]).ok_or(MultipartError::BadBoundary)?;
    boundary
        .filter(|boundary| {
            (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())
                && !boundary.ends_with(' ')
                && boundary
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte))
        })
        .ok_or(MultipartError::BadBoundary)
}

/// Parses what stands between two delimiters.
fn parse_part(part: &[u8]) -> Result<Part<'_>, MultipartError> {
    let window = part.get(..MULTIPART_HEADER_BYTES_MAX).unwrap_or(part);
    let Some(header_end) = memmem::find(window, b"\r\n\r\n").map(|at| at + 4) else {
        return Err(match window.len() < part.len() {
            true => MultipartError::HeaderTooLarge,
            false => MultipartError::BadHeader,
        });
    };
    let (header, body) = part
        .split_at_checked(header_end)
        .ok_or(MultipartError::BadHeader)?;
    let bare_lf = |at: usize| !header.get(..at).unwrap_or_default().ends_with(b"\r");
    if memchr::memchr_iter(b'\n', header).any(bare_lf) {
        return Err(MultipartError::BadHeader);
    }
    let mut storage = [httparse::EMPTY_HEADER; MULTIPART_HEADER_COUNT_MAX];
    let fields = match httparse::parse_headers(header, &mut storage) {
        Ok(httparse::Status::Complete((parsed, fields))) if parsed == header.len() => fields,
        Err(httparse::Error::TooManyHeaders) => return Err(MultipartError::HeaderTooLarge),
        _ => return Err(MultipartError::BadHeader),
    };

    let mut disposition = None;
    let mut content_type = None;
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-disposition") {
            if disposition.replace(utf8(field.value)?).is_some() {
                return Err(MultipartError::BadDisposition);
            }
        } else if field.name.eq_ignore_ascii_case("content-type") {
            if content_type.replace(utf8(field.value)?).is_some() {
                return Err(MultipartError::BadHeader);
            }
        } else if field.name.eq_ignore_ascii_case("content-transfer-encoding")
            && !["7bit", "8bit", "binary"]
                .iter()
                .any(|identity| field.value.eq_ignore_ascii_case(identity.as_bytes()))
        {
            return Err(MultipartError::Encoded);
        }
    }
    let (kind, parameters) = split_parameters(disposition.unwrap_or_default());
    match find_parameters(parameters, ["name", "filename"]) {
        Some([Some(name), filename]) if kind.eq_ignore_ascii_case("form-data") => Ok(Part {
            name,
            filename,
            content_type,
            body,
        }),
        _ => Err(MultipartError::BadDisposition),
    }
}

fn utf8(value: &[u8]) -> Result<&str, MultipartError> {
    simdutf8::basic::from_utf8(value).map_err(|_| MultipartError::NotUtf8)
}

/// Splits a field value before its first parameter, if it has one.
fn split_parameters(value: &str) -> (&str, &str) {
    let at = value.find(';').unwrap_or(value.len());
    let (before, parameters) = value.split_at_checked(at).unwrap_or((value, ""));
    (before.trim_ascii(), parameters)
}

/// The values of the parameters of these names (RFC 9110 §5.6.6). `None`: a syntax error, or one of them twice.
fn find_parameters<'a, const N: usize>(
    mut rest: &'a str,
    names: [&str; N],
) -> Option<[Option<Cow<'a, str>>; N]> {
    let mut found = [const { None }; N];
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(found);
        }
        rest = rest.strip_prefix(';')?.trim_ascii_start();
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted)?,
            None => {
                let end = after.find([';', ' ', '\t', '"']).unwrap_or(after.len());
                let (value, after) = after.split_at_checked(end)?;
                (Cow::Borrowed(value), after)
            }
        };
        rest = after;
        for (wanted, slot) in names.iter().zip(&mut found) {
            if name.eq_ignore_ascii_case(wanted) && slot.replace(value.clone()).is_some() {
                return None;
            }
        }
    }
}

/// Takes a quoted string whose opening quote is gone. A backslash escapes a quote or another backslash and is itself
/// before anything else, since some browsers send whole Windows paths as file names.
fn take_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut unescaped: Option<String> = None;
    let mut start = 0;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.as_bytes().get(at..)?)?;
        match text.as_bytes().get(at..)? {
            [b'"', ..] => {
                let last = text.get(start..at)?;
                let value = match unescaped {
                    Some(unescaped) => Cow::Owned(unescaped + last),
                    None => Cow::Borrowed(last),
                };
                return Some((value, text.get(at + 1..)?));
            }
            [b'\\', b'"' | b'\\', ..] => {
                unescaped
                    .get_or_insert_default()
                    .push_str(text.get(start..at)?);
                start = at + 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests;
