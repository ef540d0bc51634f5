//! Reads the JSON of clients (RFC 8259), with what they are known to send besides: strings in single quotes, and names and numbers in other
//! spellings.

use std::borrow::Cow;

use crate::dialect::json::put_string;
use crate::limits::JSON_DEPTH_MAX;

/// A field that some message has. The names that clients send match without regard to case, `_` and `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Avatar,
    BeginTime,
    ChatType,
    Cmd,
    Content,
    Count,
    CreateTime,
    EndTime,
    Extras,
    From,
    FromUserId,
    Group,
    GroupId,
    Id,
    IsConcurrent,
    MsgType,
    Nick,
    Offset,
    Op,
    PullType,
    ReceiverId,
    SearchKey,
    SenderId,
    Terminal,
    Text,
    To,
    Token,
    Type,
    UserId,
}

/// The fields by their names as they are compared, at the index that each has.
const NAMES: [&[u8]; Field::UserId as usize + 1] = [
    b"avatar",
    b"begintime",
    b"chattype",
    b"cmd",
    b"content",
    b"count",
    b"createtime",
    b"endtime",
    b"extras",
    b"from",
    b"fromuserid",
    b"group",
    b"groupid",
    b"id",
    b"isconcurrent",
    b"msgtype",
    b"nick",
    b"offset",
    b"op",
    b"pulltype",
    b"receiverid",
    b"searchkey",
    b"senderid",
    b"terminal",
    b"text",
    b"to",
    b"token",
    b"type",
    b"userid",
];

/// A value other than null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// `true`, `false` or a number, as it stands.
    Bare(&'a str),
    /// A string.
    Text(Cow<'a, str>),
    /// An object as compact JSON.
    Object(String),
    /// An array as compact JSON.
    Array(String),
}

/// The text is not JSON, or is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A field has a value of a kind or size that it cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadValue;

/// The known fields of one object. Of a field that stands there twice the last one counts.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>([Option<Value<'a>>; NAMES.len()]);

impl<'a> Fields<'a> {
    /// Reads an object; a byte order mark may stand before it.
    pub fn read(payload: &'a [u8]) -> Result<Fields<'a>, Malformed> {
        let text = simdutf8::basic::from_utf8(payload).map_err(|_| Malformed)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader { text, at: 0 };
        let mut fields = Fields([const { None }; NAMES.len()]);
        reader.skip_space();
        reader.expect(b'{')?;
        reader.members(b'}', |reader| {
            let name = reader.string()?;
            reader.colon()?;
            let slot = place(&name).and_then(|place| fields.0.get_mut(place));
            match slot {
                Some(slot) => *slot = reader.value()?,
                None => reader.compact(&mut None, 1)?,
            }
            Ok(())
        })?;
        reader.skip_space();
        if reader.peek().is_some() {
            return Err(Malformed);
        }
        Ok(fields)
    }

    /// The value of a field; `None` for null and the empty string.
    pub fn value(&self, field: Field) -> Option<&Value<'a>> {
        let value = self.0.get(field as usize)?.as_ref()?;
        match value {
            Value::Text(text) if text.is_empty() => None,
            value => Some(value),
        }
    }

    /// A field that is a name or other text; a number stands for its digits.
    pub fn text(&self, field: Field) -> Result<Option<&str>, BadValue> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Bare(text)) => Ok(Some(text)),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Object(_) | Value::Array(_)) => Err(BadValue),
        }
    }

    /// A field that is a whole number; a string of digits stands for it.
    pub fn number(&self, field: Field) -> Result<Option<i64>, BadValue> {
        let Some(text) = self.text(field)? else {
            return Ok(None);
        };
        text.trim().parse().map(Some).map_err(|_| BadValue)
    }
}

/// The index of the field that `name` means.
fn place(name: &str) -> Option<usize> {
    const NAME_BYTES_MAX: u32 = u128::BITS / 8;
    let mut folded = 0u128;
    let mut left = NAME_BYTES_MAX;
    for byte in name.bytes().filter(|byte| !matches!(byte, b'_' | b'-')) {
        // No name has a zero, which stands for the end.
        left = left.checked_sub(1).filter(|_| byte != 0)?;
        folded = folded << 8 | u128::from(byte.to_ascii_lowercase());
    }
    let folded = folded.checked_shl(8 * left)?;
    KEYS.binary_search(&folded).ok()
}

/// [`NAMES`] as numbers of the same order, the first byte the highest, with zeros behind the last.
const KEYS: [u128; NAMES.len()] = {
    let mut keys = [0; NAMES.len()];
    let mut place = 0;
    while place < NAMES.len() {
        let name = NAMES[place];
        let mut at = 0;
        while at < name.len() {
            keys[place] |= (name[at] as u128) << (u128::BITS as usize - 8 * (at + 1));
            at += 1;
        }
        place += 1;
    }
    keys
};

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        (self.next() == Some(byte)).then_some(()).ok_or(Malformed)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn slice(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn colon(&mut self) -> Result<(), Malformed> {
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok(())
    }

    /// Members or elements up to `end`, after the opening bracket; `each` begins where one does.
    fn members(
        &mut self,
        end: u8,
        mut each: impl FnMut(&mut Reader<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.skip_space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self)?;
            self.skip_space();
            match self.next() {
                Some(b',') => self.skip_space(),
                Some(byte) if byte == end => return Ok(()),
                _ => return Err(Malformed),
            }
        }
    }

    /// A value; `None` for null.
    fn value(&mut self) -> Result<Option<Value<'a>>, Malformed> {
        Ok(match self.peek() {
            Some(b'"' | b'\'') => Some(Value::Text(self.string()?)),
            Some(byte @ (b'{' | b'[')) => {
                let mut compact = Some(String::new());
                self.compact(&mut compact, 1)?;
                let compact = compact.unwrap_or_default();
                Some(if byte == b'{' {
                    Value::Object(compact)
                } else {
                    Value::Array(compact)
                })
            }
            _ => match self.bare()? {
                "null" => None,
                bare => Some(Value::Bare(bare)),
            },
        })
    }

    /// A value of any kind at `depth`, appended to `out` without space between its parts and with double quotes, if it is wanted.
    fn compact(&mut self, out: &mut Option<String>, depth: usize) -> Result<(), Malformed> {
        if depth > JSON_DEPTH_MAX {
            return Err(Malformed);
        }
        match self.peek() {
            Some(b'"' | b'\'') => self.compact_string(out),
            Some(b'{') => {
                self.at += 1;
                put(out, "{");
                let mut is_first = true;
                self.members(b'}', |reader| {
                    put(out, if is_first { "" } else { "," });
                    is_first = false;
                    reader.compact_string(out)?;
                    reader.colon()?;
                    put(out, ":");
                    reader.compact(out, depth + 1)
                })?;
                put(out, "}");
                Ok(())
            }
            Some(b'[') => {
                self.at += 1;
                put(out, "[");
                let mut is_first = true;
                self.members(b']', |reader| {
                    put(out, if is_first { "" } else { "," });
                    is_first = false;
                    reader.compact(out, depth + 1)
                })?;
                put(out, "]");
                Ok(())
            }
            _ => {
                let bare = self.bare()?;
                put(out, bare);
                Ok(())
            }
        }
    }

    /// A string goes on as it stands, unless its quotes must change.
    fn compact_string(&mut self, out: &mut Option<String>) -> Result<(), Malformed> {
        let (start, quote) = (self.at, self.peek());
        let text = self.string()?;
        let Some(out) = out else {
            return Ok(());
        };
        let raw = self.slice(start);
        if quote == Some(b'"') && !raw.contains("\\'") {
            out.push_str(raw);
        } else {
            let mut string = Vec::new();
            put_string(&mut string, &text);
            out.push_str(&String::from_utf8_lossy(&string));
        }
        Ok(())
    }

    /// A number or a literal name.
    fn bare(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at;
        while let Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.') = self.peek() {
            self.at += 1;
        }
        match self.slice(start) {
            bare @ ("null" | "true" | "false") => Ok(bare),
            bare if is_number(bare.as_bytes()) => Ok(bare),
            _ => Err(Malformed),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let quote = self.next().filter(|byte| matches!(byte, b'"' | b'\''));
        let quote = quote.ok_or(Malformed)?;
        let start = self.at;
        let mut decoded: Option<String> = None;
        let mut plain = start;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let ends = |byte: &u8| *byte == quote || *byte == b'\\' || *byte < 0x20;
            self.at += rest.iter().position(ends).ok_or(Malformed)?;
            match self.next() {
                Some(byte) if byte == quote => break,
                Some(b'\\') => {
                    let before = self.text.get(plain..self.at - 1).unwrap_or_default();
                    let decoded = decoded.get_or_insert_default();
                    decoded.push_str(before);
                    decoded.push(self.escape()?);
                    plain = self.at;
                }
                _ => return Err(Malformed),
            }
        }
        let last = self.text.get(plain..self.at - 1).unwrap_or_default();
        Ok(match decoded {
            None => Cow::Borrowed(last),
            Some(mut decoded) => {
                decoded.push_str(last);
                Cow::Owned(decoded)
            }
        })
    }

    /// What stands after a backslash (RFC 8259 §7); a single quote may, too.
    fn escape(&mut self) -> Result<char, Malformed> {
        Ok(match self.next().ok_or(Malformed)? {
            byte @ (b'"' | b'\\' | b'/' | b'\'') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                let code = match first {
                    0xd800..0xdc00 => {
                        self.expect(b'\\')?;
                        self.expect(b'u')?;
                        let second = self.hex()?;
                        if !(0xdc00..0xe000).contains(&second) {
                            return Err(Malformed);
                        }
                        0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    code => code,
                };
                char::from_u32(code).ok_or(Malformed)?
            }
            _ => return Err(Malformed),
        })
    }

    fn hex(&mut self) -> Result<u32, Malformed> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|byte| char::from(byte).to_digit(16));
            code = code << 4 | digit.ok_or(Malformed)?;
        }
        Ok(code)
    }
}

fn put(out: &mut Option<String>, text: &str) {
    if let Some(out) = out {
        out.push_str(text);
    }
}

/// Whether `bytes` are a number (RFC 8259 §6).
fn is_number(bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (integer, rest) = split_digits(rest);
    let is_integer = match integer {
        [] => false,
        [b'0'] => true,
        [first, ..] => *first != b'0',
    };
    let (is_fraction, rest) = match rest {
        [b'.', rest @ ..] => {
            let (digits, rest) = split_digits(rest);
            (!digits.is_empty(), rest)
        }
        rest => (true, rest),
    };
    let (is_exponent, rest) = match rest {
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => {
            let (digits, rest) = split_digits(rest);
            (!digits.is_empty(), rest)
        }
        rest => (true, rest),
    };
    is_integer && is_fraction && is_exponent && rest.is_empty()
}

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let count = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    bytes.split_at_checked(count).unwrap_or((bytes, b""))
}
