//! Calls and frames through a host that runs the writer and a store in one thread.

mod calls;
mod events;
mod host;
mod lists;
mod pushed_again;
mod receiving;
mod sending;
