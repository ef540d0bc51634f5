//! `jim` over the running server: exact frames for every command, and each rule.

mod contacts;
mod durability;
mod groups;
mod login;
mod messages;
mod reading;
mod recall;
mod service;
mod talk;
mod tolerance;
