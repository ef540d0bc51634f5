//! Conversation numbers as `conv` and `jim` show them: `c` and 16 hexadecimal digits. One number has one form, so that
//! whoever keeps the text as a key keeps one key.

use crate::domain::ids::ConversationId;

const PREFIX: char = 'c';
const DIGITS: usize = 16;

/// What stands for `id`.
pub fn encode(id: ConversationId) -> String {
    format!("{PREFIX}{:0DIGITS$x}", id.0)
}

/// The conversation that `text` stands for; `None` where it stands for none.
pub fn decode(text: &str) -> Option<ConversationId> {
    let digits = text.strip_prefix(PREFIX)?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != DIGITS || !digits.bytes().all(is_digit) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok().map(ConversationId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_one_form_is_read() {
        assert_eq!(encode(ConversationId(26)), "c000000000000001a");
        for other in [
            "",
            "c",
            "c1a",
            "26",
            "000000000000001a",
            "C000000000000001a",
            "c000000000000001A",
            "c000000000000001g",
            "c+00000000000001a",
            "c000000000000001a ",
            "c0000000000000001a",
            "c0000000000000在",
        ] {
            assert_eq!(decode(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(number: u64) {
            let id = ConversationId(number);
            prop_assert_eq!(decode(&encode(id)), Some(id));
        }

        #[test]
        fn what_is_decoded_goes_back(text in "c[0-9a-g]{15,17}") {
            if let Some(id) = decode(&text) {
                prop_assert_eq!(encode(id), text);
            }
        }
    }
}
