//! The smallest picture of each kind that an upload may hold.

/// One red pixel.
pub const PNG: &[u8] = b"\
    \x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\
    \x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\
    \0\x03\x01\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82";

/// A JFIF header with one quantisation table.
pub const JPEG: &[u8] = b"\
    \xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xdb\0C\
    \0\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
    \x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
    \x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xff\xd9";

/// One transparent pixel.
pub const GIF: &[u8] = b"\
    GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\
    \0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01D\0;";

/// One pixel, lossless.
pub const WEBP: &[u8] = b"\
    RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0/\0\0\0\
    \x10\x07\x10\x11\x11\x88\x88\xfe\x07\0";

/// One red pixel, 24 bits.
pub const BMP: &[u8] = b"\
    BM:\0\0\0\0\0\0\x006\0\0\0(\0\0\0\x01\0\0\0\x01\0\
    \0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0\x13\x0b\0\0\x13\x0b\0\0\0\0\
    \0\0\0\0\0\0\0\0\xff\0";

/// A GIF of exactly `length` bytes: decoders ignore what follows the picture.
pub fn gif_of(length: usize) -> Vec<u8> {
    let mut bytes = GIF.to_vec();
    bytes.resize(length, 0);
    bytes
}
