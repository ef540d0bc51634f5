//! Accounts: who can send and receive, in every dialect.

use std::sync::Arc;

use crate::domain::ids::{AccountId, TimeMs};
use crate::limits::NAME_BYTES_MAX;

/// An account. Every one has a number (for `chat`) and a unique name (for the other dialects).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Dense number, from 2 for users.
    pub id: AccountId,
    /// Unique, 1 to 255 bytes of UTF-8 without control characters, compared byte for byte.
    pub name: Arc<str>,
    /// When it was created.
    pub created_at: TimeMs,
    /// What it tells others of itself; empty until a dialect sets it.
    pub profile: Profile,
}

/// What an account tells others of itself. Empty strings stand for "unknown".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name shown to people.
    pub nick: Arc<str>,
    /// URL of a picture.
    pub avatar: Arc<str>,
    /// The kind of device, as the client called it.
    pub terminal: Arc<str>,
    /// The part in customer service, if the account ever said so.
    pub role: Option<ServiceRole>,
}

/// The part that an account plays in customer service (`jim`'s `type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceRole {
    /// Asks: 0.
    Visitor,
    /// Answers: 1.
    Agent,
    /// Answers, a property consultant: 2.
    Consultant,
}

/// Why a name cannot be an account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

/// Checks that `name` can be an account's: 1 to 255 bytes, no control characters.
///
/// # Errors
/// [`BadName`] when it cannot.
pub fn check_name(name: &str) -> Result<(), BadName> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    if fits && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(BadName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_1_to_255_bytes_without_controls() {
        for good in ["a", "买家", "a b", &"x".repeat(255)] {
            assert_eq!(check_name(good), Ok(()), "{good:?}");
        }
        for bad in ["", "a\0", "a\n", "\u{85}", &"x".repeat(256)] {
            assert_eq!(check_name(bad), Err(BadName), "{bad:?}");
        }
    }
}
