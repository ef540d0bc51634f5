//! The dialect from the bytes of a request to those of an answer, over a model that stands for the server.

mod calls;
mod host;
mod params;
mod rules;
mod uploads;
