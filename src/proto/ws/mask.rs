//! Masking of client frames (RFC 6455 §5.3).

/// Bytes that are unmasked at a time: two of the vectors that every x86-64 and ARMv8 has.
const BLOCK_BYTES: usize = 32;
/// From here on it pays to let the blocks begin where no vector lies across two cache lines.
const ALIGNED_BYTES_MIN: usize = 4_096;

/// Removes (or applies) `mask`, whose first byte belongs to the first byte of `payload`.
#[inline]
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    if payload.len() < ALIGNED_BYTES_MIN {
        unmask_blocks(payload, mask);
    } else {
        unmask_aligned(payload, mask);
    }
}

#[inline(never)]
fn unmask_aligned(payload: &mut [u8], mask: [u8; 4]) {
    let head_bytes = payload.as_ptr().align_offset(BLOCK_BYTES);
    let (head, rest) = payload.split_at_mut(head_bytes.min(payload.len()));
    unmask_blocks(head, mask);
    unmask_blocks(rest, rotate(mask, head.len()));
}

#[inline]
fn unmask_blocks(payload: &mut [u8], mask: [u8; 4]) {
    // Bytes, not integers: for integers wider than 64 bits the compiler takes no vectors.
    let key: [u8; BLOCK_BYTES] = std::array::from_fn(|i| mask[i % 4]);
    let (blocks, rest) = payload.as_chunks_mut::<BLOCK_BYTES>();
    for block in blocks {
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
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
        fn long_payloads_equal_the_byte_loop(
            bytes in prop::collection::vec(any::<u8>(), ALIGNED_BYTES_MIN..ALIGNED_BYTES_MIN + 99),
            mask: [u8; 4],
        ) {
            for start in 0..BLOCK_BYTES {
                let mut expected = bytes.clone();
                unmask_bytewise(&mut expected[start..], mask);
                let mut actual = bytes.clone();
                unmask(&mut actual[start..], mask);
                prop_assert!(actual == expected, "from byte {start}");
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
