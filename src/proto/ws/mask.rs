//! Masking of client frames (RFC 6455 §5.3).

/// A factor that repeats a 32-bit word four times in a 128-bit one.
const REPEAT: u128 = u128::MAX / u32::MAX as u128;

/// Removes (or applies) `mask`, whose first byte belongs to the first byte of `payload`.
///
/// Works in words of 16 bytes, which the compiler turns into the widest vectors of the target; unaligned loads cost
/// nothing there, so that no bytes are peeled off in front.
#[inline]
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let word = u128::from(u32::from_ne_bytes(mask)) * REPEAT;
    let (words, rest) = payload.as_chunks_mut::<16>();
    for bytes in words {
        *bytes = (u128::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for bytes in words {
        *bytes = (u32::from_ne_bytes(*bytes) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

/// The mask for what follows `offset` bytes of the same payload.
#[inline]
pub fn rotate(mut mask: [u8; 4], offset: usize) -> [u8; 4] {
    mask.rotate_left(offset % 4);
    mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unmask_bytewise(payload: &mut [u8], mask: [u8; 4]) {
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[i % 4];
        }
    }

    proptest! {
        #[test]
        fn equals_the_byte_loop(bytes: Vec<u8>, mask: [u8; 4]) {
            for start in 0..bytes.len().min(17) {
                let mut expected = bytes.clone();
                unmask_bytewise(&mut expected[start..], mask);
                let mut actual = bytes.clone();
                unmask(&mut actual[start..], mask);
                prop_assert_eq!(actual, expected, "from byte {}", start);
            }
        }

        #[test]
        fn continues_anywhere(mut bytes: Vec<u8>, mask: [u8; 4], cut: prop::sample::Index) {
            let mut expected = bytes.clone();
            unmask_bytewise(&mut expected, mask);
            let cut = cut.index(bytes.len() + 1);
            let (head, tail) = bytes.split_at_mut(cut);
            unmask(head, mask);
            unmask(tail, rotate(mask, cut));
            prop_assert_eq!(bytes, expected);
        }
    }
}
