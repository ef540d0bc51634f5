//! The dialect from the bytes of a request to those of an answer, over the real writer and both stores.

mod fields;
mod golden;
mod groups;
mod host;
mod limits;
mod messages;
