//! What operators and their tools ask a running server: [`metrics`] (`/metrics`), with [`process`] for what the operating
//! system knows, and [`health`] (`/healthz`, `/readyz`).

pub mod health;
pub mod metrics;
pub mod process;
