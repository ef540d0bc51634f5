//! The fields of a JSON object. A number may come as a string and a string as a number; `null` and the empty string are the same as
//! absent; what nobody asks for is passed over.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

/// The object cannot be read, or a field cannot be what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad;

/// The fields that frames and calls have.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, bound = "'de: 'a")]
pub(super) struct Body<'a> {
    pub company: Scalar<'a>,
    pub app: Scalar<'a>,
    pub third_user_id: Scalar<'a>,
    pub token: Scalar<'a>,
    pub user_id: Scalar<'a>,
    pub from_user_id: Scalar<'a>,
    pub to_user_id: Scalar<'a>,
    pub team_id: Scalar<'a>,
    pub id: Scalar<'a>,
    pub page_num: Scalar<'a>,
    pub page_size: Scalar<'a>,
    pub top: Scalar<'a>,
    pub name: Scalar<'a>,
    pub members: Option<Vec<MemberBody<'a>>>,
    pub msg_type: Scalar<'a>,
    pub event_type: Scalar<'a>,
    pub chat_type: Scalar<'a>,
    pub content: Scalar<'a>,
}

/// A member of a team.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, bound = "'de: 'a")]
pub(super) struct MemberBody<'a> {
    pub user_id: Scalar<'a>,
    pub op: Scalar<'a>,
}

impl<'a> Body<'a> {
    /// Reads an object; a byte order mark may stand before it. No byte at all is an empty object.
    pub fn read(bytes: &'a [u8]) -> Result<Body<'a>, Bad> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return Ok(Body::default());
        }
        // A list would fill the fields by their places.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Bad);
        }
        serde_json::from_slice(bytes).map_err(|_| Bad)
    }
}

/// Most digits of an integer, its sign among them: those of [`u64::MAX`] and [`i64::MIN`].
const INTEGER_BYTES_MAX: usize = 20;

/// A value that is no object and no list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// `null`, or nothing.
    #[default]
    Absent,
    /// A string, `true`, `false` or a number that is none of the next.
    Text(Cow<'a, str>),
    /// An integer, written out.
    Integer(SmallVec<[u8; INTEGER_BYTES_MAX]>),
    /// An object or a list, which no field of these names can be.
    Nested,
}

impl Scalar<'_> {
    fn integer(value: impl itoa::Integer) -> Self {
        let mut buffer = itoa::Buffer::new();
        Scalar::Integer(SmallVec::from_slice(buffer.format(value).as_bytes()))
    }

    /// The text; never empty.
    pub fn text(&self) -> Result<Option<&str>, Bad> {
        match self {
            Scalar::Text(text) if !text.is_empty() => Ok(Some(text)),
            Scalar::Text(_) | Scalar::Absent => Ok(None),
            Scalar::Integer(digits) => std::str::from_utf8(digits).map(Some).map_err(|_| Bad),
            Scalar::Nested => Err(Bad),
        }
    }

    /// A number that is not negative.
    pub fn number(&self) -> Result<Option<u64>, Bad> {
        let number = |text: &str| text.trim().parse().map_err(|_| Bad);
        self.text()?.map(number).transpose()
    }

    /// `true` or `false`, or 1 or 0.
    pub fn flag(&self) -> Result<Option<bool>, Bad> {
        match self.text()? {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(Bad),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::integer(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_string())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        let text = if value { "true" } else { "false" };
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_where_a_string_is_wanted() {
        for (json, text) in [
            ("7", "7"),
            ("-0", "-0"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551616", "18446744073709552000"),
            ("1.50", "1.5"),
            ("1e21", "1000000000000000000000"),
        ] {
            let frame = format!(r#"{{"content":{json}}}"#);
            let body = Body::read(frame.as_bytes()).expect("an object");
            assert_eq!(body.content.text(), Ok(Some(text)), "{json}");
            let number = text.parse().map(Some).map_err(|_| Bad);
            assert_eq!(body.content.number(), number, "{json}");
        }
    }
}
