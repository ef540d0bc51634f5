//! Acknowledgements as clients write them, read without looking for all the fields that a frame may have: there is one for every push.

use smallvec::SmallVec;

/// Most fields of a frame that is read here.
const FIELDS_MAX: usize = 8;
/// Most digits of a number that is read here.
const DIGITS_MAX: usize = 18;
/// Content of so many bytes is unescaped without the heap: `{"srcId":N}` and some spaces.
const CONTENT_BYTES_USUAL: usize = 64;

/// What `read` makes of the content of an `Ack` whose fields are few, none twice, and plain strings and numbers. `None` says only that it
/// is none of these.
pub(super) fn acknowledgement<T>(frame: &[u8], read: impl FnOnce(&str) -> T) -> Option<T> {
    let mut rest = Rest(frame);
    let mut names: SmallVec<[&[u8]; FIELDS_MAX]> = SmallVec::new();
    let (mut is_ack, mut content) = (false, None);
    rest.take(b'{')?;
    loop {
        let name = rest.string()?;
        rest.take(b':')?;
        let value = rest.value()?;
        match name {
            b"content" => content = Some(value),
            b"msgType" if value == b"Ack" => is_ack = true,
            // Another kind of frame, or a list.
            b"msgType" | b"members" => return None,
            _ if name.contains(&b'\\') || value.contains(&b'\\') => return None,
            _ => {}
        }
        if names.len() == FIELDS_MAX || names.contains(&name) {
            return None;
        }
        names.push(name);
        if rest.take(b',').is_none() {
            break;
        }
    }
    rest.take(b'}')?;
    rest.skip_space();
    let content = content.filter(|_| is_ack && rest.0.is_empty())?;
    let mut unescaped: SmallVec<[u8; CONTENT_BYTES_USUAL]> = SmallVec::new();
    let mut bytes = content.iter();
    while let Some(&byte) = bytes.next() {
        unescaped.push(match byte {
            // Of what can stand behind a backslash only the quotes of JSON inside JSON.
            b'\\' => *bytes.next().filter(|&&next| next == b'"')?,
            _ => byte,
        });
    }
    std::str::from_utf8(&unescaped).ok().map(read)
}

/// What is left of a frame.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// Takes this byte, and space before it.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// Takes a string of printable ASCII. What stands behind a backslash stays behind it, whatever it is.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let mut end = 0;
        loop {
            match self.0.get(end)? {
                b'"' => break,
                b'\\' => end += 2,
                b' '..=b'~' => end += 1,
                _ => return None,
            }
        }
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        self.take(b'"')?;
        Some(text)
    }

    /// Takes a string or a number.
    fn value(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        if self.0.first() == Some(&b'"') {
            return self.string();
        }
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let (number, rest) = self.0.split_at_checked(digits.count())?;
        let is_plain = (1..=DIGITS_MAX).contains(&number.len()) && number.first() != Some(&b'0');
        self.0 = rest;
        is_plain.then_some(number)
    }
}
