//! Text that cannot be guessed: tokens and names of uploads.

/// Most characters of one [`text`]: what 32 random bytes fill without a noticeable bias.
pub const TEXT_CHARS_MAX: usize = 32;

/// `chars` characters `[a-z0-9]`, at most [`TEXT_CHARS_MAX`], each worth 5.17 bits.
///
/// The characters are the last digits in base 36 of one random number of 256 bits, so no draw is ever thrown away and
/// the bias stays below 2⁻⁹⁰.
pub fn text(random: &mut dyn FnMut(&mut [u8]), chars: usize) -> String {
    const DIGITS: [char; 36] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r',
        's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
    ];
    let mut number = [0u8; 32];
    random(&mut number);
    let mut next_digit = || {
        let mut remainder = 0u16;
        for byte in &mut number {
            let dividend = remainder << 8 | u16::from(*byte);
            // At most (35 × 256 + 255) / 36, which is 255.
            *byte = (dividend / 36) as u8;
            remainder = dividend % 36;
        }
        DIGITS.get(usize::from(remainder)).copied().unwrap_or('a')
    };
    (0..chars.min(TEXT_CHARS_MAX))
        .map(|_| next_digit())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_number_in_base_36() {
        let numbered = |last: u8| {
            text(
                &mut |bytes: &mut [u8]| bytes.iter_mut().rev().take(1).for_each(|b| *b = last),
                3,
            )
        };
        assert_eq!(numbered(0), "aaa");
        assert_eq!(numbered(35), "9aa");
        assert_eq!(numbered(36), "aba");
        let all_ones = text(&mut |bytes: &mut [u8]| bytes.fill(0xff), 99);
        assert_eq!(all_ones.len(), TEXT_CHARS_MAX);
        assert!(
            all_ones
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        );
    }
}
