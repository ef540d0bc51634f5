//! Tokens: what a client shows to say who it is. Only their hashes are kept.

use sha2::{Digest, Sha256};

use crate::domain::ids::{AccountId, TimeMs};
use crate::domain::message::Dialect;

/// The hash of a token of one dialect: the first 16 bytes of SHA-256, so that a token of one dialect says nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 16]);

impl TokenHash {
    /// The hash of `token` as `dialect` uses it.
    pub fn new(dialect: Dialect, token: &[u8]) -> TokenHash {
        let digest = Sha256::new()
            .chain_update([dialect as u8])
            .chain_update(token)
            .finalize();
        let mut hash = [0; 16];
        hash.iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        TokenHash(hash)
    }
}

/// A token in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its hash.
    pub hash: TokenHash,
    /// Whose it is.
    pub account: AccountId,
    /// When it was last used, to within [`crate::limits::TOKEN_TOUCH_MS_MIN`].
    pub used_at: TimeMs,
}
