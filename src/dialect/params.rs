//! Named parameters of a call, wherever a client puts them: in the query, a form, a multipart body or a JSON object.
//!
//! What the query has stands before what the body has; of a name that is given twice the first value counts. An empty
//! value and a JSON `null` are the same as an absent one, and unknown names are passed over.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::proto::http::request::Request;
use crate::proto::http::target::pairs;
use crate::proto::multipart::{self, MultipartError};

/// Why parameters cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A name or a value is not UTF-8.
    NotUtf8,
    /// The body looks like JSON and is not an object.
    BadJson,
    /// A value is an array or an object: that of this name.
    Nested(&'static str),
    /// The multipart body is malformed or beyond a limit.
    BadMultipart(MultipartError),
}

/// The parameters of one request that have one of `N` names. A value that needs no decoding is borrowed from it.
#[derive(Clone, Debug)]
pub struct Params<'a, const N: usize> {
    names: &'static [&'static str; N],
    values: [Option<Cow<'a, str>>; N],
    file_name: &'static str,
    file: Option<&'a [u8]>,
    fault: Option<Fault>,
}

impl<'a, const N: usize> Params<'a, N> {
    /// None yet: of those in `names`, and of a multipart body the file in the field `file_name` (empty: none).
    #[inline]
    pub fn new(names: &'static [&'static str; N], file_name: &'static str) -> Params<'a, N> {
        Params {
            names,
            values: [const { None }; N],
            file_name,
            file: None,
            fault: None,
        }
    }

    /// Reads those of a request. What cannot be read is left out, and [`Params::fault`] says why.
    pub fn read(&mut self, request: &'a Request<'_>) {
        let head = request.head();
        let read = self
            .read_query(head.query().unwrap_or_default())
            .and_then(|()| match request.body() {
                [] => Ok(()),
                body => {
                    let content_type = head.header_str("content-type").unwrap_or_default();
                    self.read_body(head.media_type(), content_type, body)
                }
            });
        self.fault = read.err();
    }

    /// Why the parameters could not be read to the end.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The value of the name at `index`; never empty.
    pub fn value(&self, index: usize) -> Option<&str> {
        self.values.get(index)?.as_deref()
    }

    /// The same, to keep as long as the request.
    pub fn take(&mut self, index: usize) -> Option<Cow<'a, str>> {
        self.values.get_mut(index)?.take()
    }

    /// The file; may be empty.
    pub fn file(&self) -> Option<&'a [u8]> {
        self.file
    }

    fn put(&mut self, name: &str, value: Cow<'a, str>) {
        if value.is_empty() {
            return;
        }
        let index = self.names.iter().position(|known| *known == name);
        if let Some(slot @ None) = index.and_then(|index| self.values.get_mut(index)) {
            *slot = Some(value);
        }
    }

    fn read_body(
        &mut self,
        media_type: &str,
        content_type: &'a str,
        body: &'a [u8],
    ) -> Result<(), Fault> {
        if media_type.eq_ignore_ascii_case("multipart/form-data") {
            return self.read_multipart(content_type, body);
        }
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        // Callers send JSON without saying so, or as a form, the default of many libraries; no form begins like that.
        let is_json = media_type.eq_ignore_ascii_case("application/json")
            || body.trim_ascii_start().starts_with(b"{");
        if is_json {
            self.read_json(body)
        } else {
            self.read_pairs(body)
        }
    }

    fn read_query(&mut self, query: &'a str) -> Result<(), Fault> {
        if memchr::memchr2(b'%', b'+', query.as_bytes()).is_some() {
            return self.read_pairs(query.as_bytes());
        }
        let mut rest = query;
        while !rest.is_empty() {
            let (pair, others) = split_at_byte(rest, b'&');
            let (name, value) = split_at_byte(pair, b'=');
            self.put(name, Cow::Borrowed(value));
            rest = others;
        }
        Ok(())
    }

    fn read_pairs(&mut self, encoded: &'a [u8]) -> Result<(), Fault> {
        for pair in pairs(encoded) {
            let (name, value) = pair.map_err(|_| Fault::NotUtf8)?;
            self.put(&name, value);
        }
        Ok(())
    }

    fn read_multipart(&mut self, content_type: &str, body: &'a [u8]) -> Result<(), Fault> {
        let mut parts = Vec::new();
        let read = multipart::parse_into(content_type, body, &mut parts);
        for part in parts {
            if !self.file_name.is_empty() && part.name == self.file_name {
                self.file.get_or_insert(part.body);
            } else if self.names.contains(&&*part.name) {
                let value = simdutf8::basic::from_utf8(part.body).map_err(|_| Fault::NotUtf8)?;
                self.put(&part.name, Cow::Borrowed(value));
            }
        }
        read.map_err(Fault::BadMultipart)
    }

    fn read_json(&mut self, body: &'a [u8]) -> Result<(), Fault> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let mut nested = None;
        json.deserialize_map(Object {
            params: self,
            nested: &mut nested,
        })
        .and_then(|()| json.end())
        .map_err(|_| Fault::BadJson)?;
        nested.map_or(Ok(()), |name| Err(Fault::Nested(name)))
    }
}

/// What stands before and after the first `separator`; all and nothing if there is none.
fn split_at_byte(text: &str, separator: u8) -> (&str, &str) {
    memchr::memchr(separator, text.as_bytes())
        .and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))
        .unwrap_or((text, ""))
}

struct Object<'p, 'a, const N: usize> {
    params: &'p mut Params<'a, N>,
    nested: &'p mut Option<&'static str>,
}

impl<'a, const N: usize> Visitor<'a> for Object<'_, 'a, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            let known = self.params.names.iter().find(|known| **known == name);
            let Some(known) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            match map.next_value()? {
                Scalar::Text(value) => self.params.put(known, value),
                Scalar::Null => {}
                Scalar::Nested => *self.nested = Some(known),
            }
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value as text, whatever its type.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Null,
    Nested,
}

impl<'a> Deserialize<'a> for Scalar<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'a> Visitor<'a> for ScalarVisitor {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_string())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Borrowed(if value {
            "true"
        } else {
            "false"
        })))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Scalar<'a>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Scalar<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
}
