mod golden;
mod host;
mod http;
mod model;
mod rules;
