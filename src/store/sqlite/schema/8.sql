-- Several messages are one row of the log, so that a commit inserts few rows; what changed in members' rows with them stands there, too.
-- What the table before held is packed by the program, which then drops it, and the journal's column last_message.

CREATE TABLE log (
    id INTEGER PRIMARY KEY, -- of its newest message
    commit_number INTEGER NOT NULL, -- which appended it; or, of what an earlier program wrote, a later one that is folded
    data BLOB NOT NULL
) STRICT;

-- The journal has members' rows that have no room in the log. The newest commit is the greatest of the last one there, the last one in the
-- log, the fold mark, and the number in meta, where those stand that have neither.
