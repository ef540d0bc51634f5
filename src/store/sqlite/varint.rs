//! Numbers of as many bytes as they need: seven bits each, the low ones first, the high bit set on all but the last.

use crate::store::{Result, StoreError};

/// Most bytes of a number.
pub(super) const VARINT_BYTES_MAX: usize = 10;

/// Appends `number`.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number that may be below zero: near zero on either side it takes few bytes.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, (number << 1 ^ number >> 63).cast_unsigned());
}

/// What the file holds and this program never wrote.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError(format!("the file is damaged: {what}"))
}

/// The low seven bits of eight bytes as one number.
fn joined(bytes: u64) -> u64 {
    let pairs = bytes & 0x007f_007f_007f_007f | (bytes & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4
}

/// Bytes that are read from the front.
#[derive(Clone, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next number.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64> {
        // Most are small.
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            [low, high, rest @ ..] if *high < 0x80 => {
                self.0 = rest;
                Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64> {
        if let Some((eight, _)) = self.0.split_first_chunk() {
            let eight = u64::from_le_bytes(*eight);
            let ends = !eight & 0x8080_8080_8080_8080;
            if ends != 0 {
                let bits = ends.trailing_zeros() + 1;
                self.0 = self.0.get((bits / 8) as usize..).unwrap_or_default();
                return Ok(joined(eight << (64 - bits) >> (64 - bits)));
            }
        }
        self.number_by_bytes()
    }

    /// The next number, which may have more than eight bytes, or so many are not left.
    fn number_by_bytes(&mut self) -> Result<u64> {
        let mut number = 0;
        for (index, byte) in self.0.iter().take(VARINT_BYTES_MAX).enumerate() {
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * index as u32;
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                self.0 = self.0.get(index + 1..).unwrap_or_default();
                return Ok(number);
            }
        }
        Err(damaged("a number has no end"))
    }

    /// The next number, which may be below zero.
    pub(super) fn signed(&mut self) -> Result<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let split = usize::try_from(count)
            .ok()
            .and_then(|count| self.0.split_at_checked(count));
        let (taken, rest) = split.ok_or_else(|| damaged("a row is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_number() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            Just(u64::MAX),
            (0..64_u32, -2..3_i64).prop_map(|(bits, by)| (1_u64 << bits).wrapping_add_signed(by)),
        ]
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop::collection::vec(any_number(), 1..20)) {
            let mut data = Vec::new();
            for number in &numbers {
                let begin = data.len();
                put(&mut data, *number);
                put_signed(&mut data, number.cast_signed());
                let bits = 64 - number.leading_zeros();
                let mut first = Bytes(&data[begin..]);
                prop_assert_eq!(first.number().unwrap(), *number);
                prop_assert_eq!(data.len() - begin - first.0.len(), bits.div_ceil(7).max(1) as usize);
            }
            let mut bytes = Bytes(&data);
            for number in &numbers {
                prop_assert_eq!(bytes.number().unwrap(), *number);
                prop_assert_eq!(bytes.signed().unwrap(), number.cast_signed());
            }
            prop_assert!(bytes.is_empty() && bytes.number().is_err());
        }

        /// How much is behind a number makes no difference.
        #[test]
        fn a_number_is_the_same_whatever_follows(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80..=0xff_u8], 0..14), more in prop::collection::vec(any::<u8>(), 12)) {
            let long = [bytes.as_slice(), &more].concat();
            let (mut all, mut byte_by_byte) = (Bytes(&long), Bytes(&long));
            let number = all.number().map_err(|error| error.0);
            prop_assert_eq!(&number, &byte_by_byte.number_by_bytes().map_err(|error| error.0));
            prop_assert_eq!(all.0, byte_by_byte.0);
            let taken = long.len() - all.0.len();
            if taken <= bytes.len() && number.is_ok() {
                prop_assert_eq!(Bytes(&long[..taken]).number().map_err(|error| error.0), number);
                prop_assert!(Bytes(&long[..taken - 1]).number().is_err());
            }
        }
    }
}
