//! The fields of a JSON body: texts, and one list of texts. A number, `true` and `false` count as their text; `null` and
//! the empty string are the same as absent; of a field that is given twice the first value counts; what nobody asks for
//! is passed over.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not a JSON object.
    NotAnObject,
    /// The field of this name is of the wrong type.
    WrongType(&'static str),
}

/// The fields of a body that have one of `N` names.
#[derive(Clone, Debug)]
pub(super) struct Body<'a, const N: usize> {
    names: &'static [&'static str; N],
    texts: [Option<Cow<'a, str>>; N],
    /// The name of the field that is a list.
    list_name: &'static str,
    list: Option<Vec<Cow<'a, str>>>,
    wrong_type: Option<&'static str>,
}

impl<'a, const N: usize> Body<'a, N> {
    /// Reads the texts of `names` and the list of `list_name` from `bytes`, which may begin with a byte order mark. No
    /// byte at all is an empty object.
    pub fn read(
        bytes: &'a [u8],
        names: &'static [&'static str; N],
        list_name: &'static str,
    ) -> Result<Body<'a, N>, Fault> {
        let mut body = Body {
            names,
            texts: [const { None }; N],
            list_name,
            list: None,
            wrong_type: None,
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if !bytes.trim_ascii().is_empty() {
            let mut json = serde_json::Deserializer::from_slice(bytes);
            json.deserialize_map(&mut body)
                .and_then(|()| json.end())
                .map_err(|_| Fault::NotAnObject)?;
        }
        match body.wrong_type {
            Some(name) => Err(Fault::WrongType(name)),
            None => Ok(body),
        }
    }

    /// The text at `index`; never empty.
    pub fn text(&self, index: usize) -> Option<&str> {
        self.texts.get(index)?.as_deref()
    }

    /// The list. Its texts may be empty.
    pub fn list(&self) -> Option<&[Cow<'a, str>]> {
        self.list.as_deref()
    }

    fn put(&mut self, name: &str, value: Value<'a>) {
        if name == self.list_name {
            match value {
                Value::List(list) => self.list = self.list.take().or(Some(list)),
                Value::Null => {}
                Value::Text(text) if text.is_empty() => {}
                Value::Text(_) | Value::Nested => self.wrong_type = Some(self.list_name),
            }
            return;
        }
        let names = self.names.iter().zip(&mut self.texts);
        for (known, slot) in names.filter(|(known, _)| **known == name) {
            match &value {
                Value::Text(text) if !text.is_empty() => {
                    slot.get_or_insert_with(|| text.clone());
                }
                Value::Text(_) | Value::Null => {}
                Value::List(_) | Value::Nested => self.wrong_type = Some(known),
            }
        }
    }
}

impl<'a, const N: usize> Visitor<'a> for &mut Body<'a, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            if name == self.list_name || self.names.iter().any(|known| **known == name) {
                let value = map.next_value()?;
                self.put(&name, value);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value of any type.
enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    /// An array of texts.
    List(Vec<Cow<'a, str>>),
    /// An object, or an array with something else in it.
    Nested,
}

impl<'a> Deserialize<'a> for Value<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'a> Visitor<'a> for ValueVisitor {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Owned(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Owned(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Owned(value.to_string())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'a>, E> {
        let text = if value { "true" } else { "false" };
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Value<'a>, A::Error> {
        let mut list = Some(Vec::new());
        while let Some(value) = seq.next_element()? {
            match (&mut list, value) {
                (Some(list), Value::Text(text)) => list.push(text),
                _ => list = None,
            }
        }
        Ok(list.map_or(Value::Nested, Value::List))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Value<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Nested)
    }
}
