//! `/echo`: gives back what it is sent, for conformance suites and transport benchmarks.

use crate::dialect::socket::{Endpoint, SocketContext, SocketStep, Turnstile};
use crate::dialect::{Outcome, Settings};
use crate::domain::event::Event;
use crate::domain::ids::AccountId;
use crate::limits::ECHO_MESSAGE_BYTES_MAX;

/// An echo on a WebSocket.
#[derive(Debug)]
pub struct Echo;

/// What an echo never waits for.
#[derive(Debug)]
pub enum Never {}

impl Endpoint for Echo {
    type Incoming = ();
    type Call = Never;
    const MESSAGE_BYTES_MAX: Option<usize> = Some(ECHO_MESSAGE_BYTES_MAX);

    fn open(_query: Option<&str>, _context: &mut SocketContext<'_>) -> (Echo, SocketStep<Never>) {
        (Echo, SocketStep::Done)
    }

    fn answer_at_once(
        &mut self,
        payload: &[u8],
        is_text: bool,
        context: &mut SocketContext<'_>,
    ) -> bool {
        if is_text {
            context.frames.text(payload);
        } else {
            context.frames.binary(payload);
        }
        true
    }

    fn decode(&mut self, _payload: &[u8], _is_text: bool) -> (Turnstile, ()) {
        (Turnstile::Read, ())
    }

    fn start(&mut self, (): (), _context: &mut SocketContext<'_>) -> SocketStep<Never> {
        SocketStep::Done
    }

    fn resume(
        &mut self,
        call: Never,
        _outcome: Outcome,
        _context: &mut SocketContext<'_>,
    ) -> SocketStep<Never> {
        match call {}
    }

    fn account(&self) -> Option<AccountId> {
        None
    }

    fn pushes(&mut self, _event: &Event, _context: &mut SocketContext<'_>) -> bool {
        false
    }

    fn encode_push(_event: &Event, _settings: &Settings, _out: &mut Vec<u8>) -> bool {
        false
    }
}
