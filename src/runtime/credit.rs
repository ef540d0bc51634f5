//! How much a shard may have under way with the writer.

use crate::limits::{SHARD_COMMAND_BYTES_MAX, SHARD_COMMANDS_MAX};

/// Commands that wait for their answers, and their bytes, within [`SHARD_COMMANDS_MAX`] and [`SHARD_COMMAND_BYTES_MAX`].
#[derive(Debug, Default)]
pub struct Credit {
    commands: usize,
    bytes: usize,
}

impl Credit {
    /// Takes room for a command; `false`, and nothing is taken, when there is none.
    pub fn take(&mut self, bytes: usize) -> bool {
        let has_room =
            self.commands < SHARD_COMMANDS_MAX && self.bytes + bytes <= SHARD_COMMAND_BYTES_MAX;
        if has_room {
            self.commands += 1;
            self.bytes += bytes;
        }
        has_room
    }

    /// The command is answered.
    pub fn give_back(&mut self, bytes: usize) {
        self.commands -= 1;
        self.bytes -= bytes;
    }
}
