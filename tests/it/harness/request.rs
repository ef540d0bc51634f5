//! Requests as bytes, and the four places in which a buyer's parameters may stand.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

/// The `Host` of every request, and so of every upload's address.
pub const HOST: &str = "imd.test:8080";

const BOUNDARY: &str = "----imd-test-boundary";

/// A request that is well formed unless a test makes it otherwise.
#[derive(Clone)]
pub struct Request {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &'static str, target: impl Into<String>) -> Request {
        Request {
            method,
            target: target.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// A `GET`.
    pub fn get(target: impl Into<String>) -> Request {
        Request::new("GET", target)
    }

    /// A `POST` with a body and its `Content-Length`.
    pub fn post(
        target: impl Into<String>,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Request {
        Request {
            body: Some(body.into()),
            ..Request::new("POST", target)
        }
        .header("Content-Type", content_type)
    }

    /// Adds a field.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nHost: {HOST}\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            bytes += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            bytes += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = (bytes + "\r\n").into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

/// Where a buyer's parameters stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `GET` with a query.
    GetQuery,
    /// `POST` with a query and an empty body.
    PostQuery,
    /// `POST` with a form body.
    Form,
    /// `POST` with a multipart body.
    Multipart,
    /// `POST` with a JSON object.
    Json,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 5] = [
        Place::GetQuery,
        Place::PostQuery,
        Place::Form,
        Place::Multipart,
        Place::Json,
    ];

    /// The request for `path` that carries `params` here.
    pub fn request(self, path: &str, params: &[(&str, &str)]) -> Request {
        const FORM: &str = "application/x-www-form-urlencoded";
        match self {
            Place::GetQuery => Request::get(format!("{path}?{}", form_encoded(params))),
            Place::PostQuery => Request::post(format!("{path}?{}", form_encoded(params)), FORM, ""),
            Place::Form => Request::post(path, FORM, form_encoded(params)),
            Place::Multipart => multipart(path, params, None),
            Place::Json => {
                let object: Map<_, _> = params
                    .iter()
                    .map(|(k, v)| (k.to_string(), Value::from(*v)))
                    .collect();
                Request::post(path, "application/json", Value::Object(object).to_string())
            }
        }
    }
}

/// A file for the field `imgFile`.
pub struct Image<'a> {
    /// What the client calls it.
    pub file_name: &'a str,
    /// What the client says it is.
    pub content_type: &'a str,
    /// What it is.
    pub bytes: &'a [u8],
}

/// A multipart `POST`: the parameters, then the file.
pub fn multipart(path: &str, params: &[(&str, &str)], image: Option<Image>) -> Request {
    let mut body = Vec::new();
    for (name, value) in params {
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend(part.into_bytes());
    }
    if let Some(Image {
        file_name,
        content_type,
        bytes,
    }) = image
    {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"imgFile\"; filename=\"{file_name}\"\r\n\
             Content-Type: {content_type}\r\n\r\n"
        );
        body.extend(head.into_bytes());
        body.extend_from_slice(bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    Request::post(
        path,
        &format!("multipart/form-data; boundary={BOUNDARY}"),
        body,
    )
}

/// `name=value&…`, everything but letters and digits percent-encoded.
pub fn form_encoded(params: &[(&str, &str)]) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<_> = params
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    pairs.join("&")
}
