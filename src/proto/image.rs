//! What kind of image some bytes are, by the bytes themselves.

/// An image format that browsers show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageType {
    /// Portable Network Graphics.
    Png,
    /// JPEG.
    Jpeg,
    /// Graphics Interchange Format.
    Gif,
    /// WebP.
    Webp,
    /// Windows bitmap.
    Bmp,
}

/// How many of the first bytes of a file [`sniff`] looks at.
pub const SNIFF_BYTES: usize = 18;

impl ImageType {
    /// Every format.
    pub const ALL: [ImageType; 5] = [
        ImageType::Png,
        ImageType::Jpeg,
        ImageType::Gif,
        ImageType::Webp,
        ImageType::Bmp,
    ];

    /// The extension of file names, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            ImageType::Png => "png",
            ImageType::Jpeg => "jpg",
            ImageType::Gif => "gif",
            ImageType::Webp => "webp",
            ImageType::Bmp => "bmp",
        }
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            ImageType::Png => "image/png",
            ImageType::Jpeg => "image/jpeg",
            ImageType::Gif => "image/gif",
            ImageType::Webp => "image/webp",
            ImageType::Bmp => "image/bmp",
        }
    }
}

/// The format of an image by its first bytes (WHATWG MIME Sniffing §6.1); `None` if it is none that is known. Bitmaps must
/// have more than that standard's two letters: a header of a length that exists.
pub fn sniff(bytes: &[u8]) -> Option<ImageType> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(ImageType::Png),
        [0xff, 0xd8, 0xff, ..] => Some(ImageType::Jpeg),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(ImageType::Gif),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            b'V',
            b'P',
            ..,
        ] => Some(ImageType::Webp),
        // The file header of 14 bytes, then the length of the header that follows it, little-endian.
        [
            b'B',
            b'M',
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            12 | 16 | 40 | 52 | 56 | 64 | 108 | 124,
            0,
            0,
            0,
            ..,
        ] => Some(ImageType::Bmp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLES: [(&[u8], ImageType); 7] = [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ImageType::Png),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", ImageType::Jpeg),
        (b"GIF87a\x01\0\x01\0", ImageType::Gif),
        (b"GIF89a\x01\0\x01\0", ImageType::Gif),
        (b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0", ImageType::Webp),
        (b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0", ImageType::Webp),
        (
            b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0",
            ImageType::Bmp,
        ),
    ];

    #[test]
    fn formats_by_their_first_bytes() {
        for (bytes, image) in SAMPLES {
            assert_eq!(sniff(bytes), Some(image));
            let first = &bytes[..bytes.len().min(SNIFF_BYTES)];
            assert_eq!(sniff(first), Some(image), "no more bytes are needed");
        }
    }

    #[test]
    fn what_is_no_image_is_not_taken_for_one() {
        for bytes in [
            &b""[..],
            b"\x89PNG\n\x1a\n",
            b"\xff\xd8",
            b"GIF88a",
            b"RIFF\x24\0\0\0WAVEfmt ",
            b"RIFF\x24\0\0\0WEBP",
            b"BM",
            b"BMW is a maker of cars and motorcycles",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            b"<script>alert(1)</script>",
            b"%PDF-1.7",
        ] {
            assert_eq!(sniff(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn each_format_has_an_extension_and_a_type_of_its_own() {
        let names: Vec<_> = ImageType::ALL
            .iter()
            .map(|image| (image.extension(), image.media_type()))
            .collect();
        assert_eq!(
            names,
            [
                ("png", "image/png"),
                ("jpg", "image/jpeg"),
                ("gif", "image/gif"),
                ("webp", "image/webp"),
                ("bmp", "image/bmp"),
            ]
        );
    }

    proptest! {
        #[test]
        fn only_the_first_bytes_count(sample in 0..SAMPLES.len(), first: [u8; SNIFF_BYTES], rest: Vec<u8>) {
            for first in [&first[..], &SAMPLES[sample].0[..SAMPLES[sample].0.len().min(SNIFF_BYTES)]] {
                if first.len() == SNIFF_BYTES {
                    let whole = [first, &rest].concat();
                    prop_assert_eq!(sniff(&whole), sniff(first));
                }
            }
        }
    }
}
