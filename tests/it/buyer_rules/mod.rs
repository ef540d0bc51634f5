//! One test for each rule that the buyer dialect follows beyond its contract, named after the rule.

mod access;
mod lists;
mod messages;
mod paging;
mod reading;
mod retries;
mod sessions;
mod time;
mod uploads;
