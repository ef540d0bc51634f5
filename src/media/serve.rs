//! Answers to requests for uploads (RFC 9110 §13 and §14).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::store::MediaStore;
use crate::proto::http::range::{ByteRange, ContentRange, Selection, resolve};
use crate::proto::http::{etag, head::Method};
use crate::proto::image::{self, SNIFF_BYTES};

/// Uploads never change: a year, the longest that RFC 9111 §5.2.2.1 has in mind.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// A request for an upload. The values are those of the header fields of their names.
#[derive(Clone, Copy, Debug)]
pub struct FileRequest<'a> {
    /// The file's name: the last segment of the path.
    pub name: &'a str,
    /// `GET` or `HEAD`.
    pub method: Method,
    /// The value of `If-None-Match`.
    pub if_none_match: Option<&'a [u8]>,
    /// The value of `If-Range`.
    pub if_range: Option<&'a [u8]>,
    /// The value of `Range`.
    pub range: Option<&'a [u8]>,
}

/// The answer to a request for an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileResponse {
    /// 200, 206, 304, 404 or 416.
    pub status: u16,
    /// `Content-Type`; empty: none.
    pub content_type: &'static str,
    /// `Cache-Control`.
    pub cache_control: &'static str,
    /// Further header fields.
    pub headers: Vec<(&'static str, String)>,
    /// `Content-Length`: bytes of the content, also where the answer to `HEAD` leaves them out. 0 for 304.
    pub length: u64,
    /// The content; empty in the answer to `HEAD`.
    pub content: Vec<u8>,
}

impl MediaStore {
    /// Answers a request for an upload. Reads the part of the file that is asked for, and its first bytes for its type.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub fn serve(&self, request: &FileRequest<'_>) -> io::Result<FileResponse> {
        let file = match self.open_file(request.name) {
            Ok(file) => file,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => {
                    return Ok(not_found(request));
                }
                _ => return Err(error),
            },
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(not_found(request));
        }
        let length = metadata.len();
        let etag = format!("\"{}-{length:x}\"", request.name);
        let selection = select(request, &etag, length);

        let mut response = FileResponse {
            status: 200,
            content_type: "",
            cache_control: CACHE_CONTROL,
            headers: vec![
                ("X-Content-Type-Options", "nosniff".to_owned()),
                ("Accept-Ranges", "bytes".to_owned()),
                ("ETag", etag),
            ],
            length: 0,
            content: Vec::new(),
        };
        let range = match selection {
            Selection::NotModified => {
                response.status = 304;
                return Ok(response);
            }
            Selection::Unsatisfiable => {
                return Ok(unsatisfiable(request, length));
            }
            Selection::Part(range) => {
                let content_range = ContentRange::Part { range, length };
                response.status = 206;
                response
                    .headers
                    .push(("Content-Range", content_range.to_string()));
                Some(range)
            }
            Selection::Whole => length
                .checked_sub(1)
                .map(|last| ByteRange { first: 0, last }),
        };
        response.content_type = content_type(&file, length)?;
        if let Some(range) = range {
            response.length = range.length();
            if request.method != Method::Head {
                response.content = read(&file, range.first, range.length())?;
            }
        }
        Ok(response)
    }
}

/// Selects what to send of a file of `length` bytes, with the precedence of RFC 9110 §13.2.2.
fn select(request: &FileRequest<'_>, etag: &str, length: u64) -> Selection {
    let matches = |value| etag::if_none_match(value, etag);
    if request.if_none_match.is_some_and(matches) {
        return Selection::NotModified;
    }
    match request.range {
        // RFC 9110 §14.2: ranges are defined for GET alone.
        Some(range)
            if request.method == Method::Get
                && request
                    .if_range
                    .is_none_or(|value| etag::if_range(value, etag)) =>
        {
            resolve(range, length)
        }
        _ => Selection::Whole,
    }
}

/// The media type by the first bytes. What is not an image is something to save, never something to run.
fn content_type(file: &File, length: u64) -> io::Result<&'static str> {
    let first = read(file, 0, length.min(SNIFF_BYTES as u64))?;
    Ok(image::sniff(&first).map_or("application/octet-stream", image::ImageType::media_type))
}

fn read(file: &File, first: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, first)?;
    Ok(bytes)
}

fn not_found(request: &FileRequest<'_>) -> FileResponse {
    text(request, 404, "no such file")
}

fn unsatisfiable(request: &FileRequest<'_>, length: u64) -> FileResponse {
    let mut response = text(request, 416, "no such part");
    let content_range = ContentRange::Unsatisfiable { length };
    response
        .headers
        .push(("Content-Range", content_range.to_string()));
    response
}

fn text(request: &FileRequest<'_>, status: u16, text: &str) -> FileResponse {
    FileResponse {
        status,
        content_type: "text/plain; charset=utf-8",
        cache_control: "no-store",
        headers: vec![("X-Content-Type-Options", "nosniff".to_owned())],
        length: text.len() as u64,
        content: match request.method {
            Method::Head => Vec::new(),
            _ => text.into(),
        },
    }
}

#[cfg(test)]
mod tests;
