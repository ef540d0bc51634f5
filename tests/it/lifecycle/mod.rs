//! The process: options, start, stop, crash, what is kept, and how it is watched.

mod admin;
mod options;
mod restart;
mod stores;
mod threads;
