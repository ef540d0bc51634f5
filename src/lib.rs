//! `imd`, an instant-messaging daemon that speaks four existing chat APIs.

pub mod admin;
pub mod config;
pub mod conn;
pub mod dialect;
pub mod domain;
pub mod limits;
pub mod media;
pub mod proto;
pub mod runtime;
pub mod store;
