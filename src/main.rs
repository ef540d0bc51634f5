//! The `imd` binary.
fn main() {}
