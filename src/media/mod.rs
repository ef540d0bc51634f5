//! Uploaded images on disk: [`store`] keeps them, [`serve`] answers requests for them. Both block: they belong on a
//! reader thread.

pub mod serve;
pub mod store;
