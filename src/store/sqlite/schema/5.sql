-- Messages are a log without an index. Where they stand in their conversations, their clients' ids, member rows and heads are folded from
-- it and from the journal, up to a mark. What the log held before is folded by the program, which then drops its indexes.

-- Of the newest message that is folded, or 0.
ALTER TABLE conversation ADD COLUMN head_position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN head_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN head_at INTEGER NOT NULL DEFAULT 0;

-- The fold mark: all commits and messages up to it are folded.
ALTER TABLE meta ADD COLUMN fold_commit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN fold_message INTEGER NOT NULL DEFAULT 0;
-- What the keys of client ids are hashed with.
ALTER TABLE meta ADD COLUMN key_secret BLOB;

-- Each commit with messages or changed members: the newest message of all, and the members' rows. The newest commit is the greatest of the
-- last one here, the fold mark, and the number in meta, where those stand that have no row here.
CREATE TABLE journal (
    commit_number INTEGER PRIMARY KEY,
    last_message INTEGER NOT NULL,
    members BLOB NOT NULL
) STRICT;

-- Sorted blocks of what the messages from first to last come to.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL, -- 1 lists, 2 keys
    level INTEGER NOT NULL,
    first_message INTEGER NOT NULL,
    last_message INTEGER NOT NULL,
    newest_at INTEGER NOT NULL,
    state INTEGER NOT NULL -- 0 being built, 1 live, 2 to be deleted
) STRICT;
CREATE INDEX run_by_state ON run (state, kind, last_message);

CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- The first entry of each block: of lists the conversation and the position, of keys the key and the message.
CREATE TABLE block_key (
    run INTEGER NOT NULL,
    list INTEGER NOT NULL,
    place INTEGER NOT NULL,
    block INTEGER NOT NULL,
    filter BLOB, -- of keys
    PRIMARY KEY (run, list, place)
) STRICT, WITHOUT ROWID;
