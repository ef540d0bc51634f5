-- Times are milliseconds since the Unix epoch.

CREATE TABLE migration (
    version INTEGER PRIMARY KEY,
    applied_at INTEGER NOT NULL
) STRICT;

-- One row, changed by every commit.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    commit_number INTEGER NOT NULL
) STRICT;
INSERT INTO meta (id, commit_number) VALUES (1, 0);

-- Account 1 is the server.
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    nick TEXT NOT NULL,
    avatar TEXT NOT NULL,
    terminal TEXT NOT NULL,
    role INTEGER -- 0 visitor, 1 agent, 2 consultant
) STRICT;

CREATE TABLE token (
    hash BLOB PRIMARY KEY,
    account INTEGER NOT NULL,
    used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_by_account ON token (account);

-- A single conversation has its two accounts, a group all the rest. The head is the newest message.
CREATE TABLE conversation (
    id INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    low INTEGER,
    high INTEGER,
    owner INTEGER,
    name TEXT,
    image TEXT,
    description TEXT,
    jim_name TEXT,
    member_count INTEGER,
    next_slot INTEGER,
    CHECK ((low IS NULL) = (high IS NULL) AND (low IS NULL) = (owner IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX conversation_by_pair ON conversation (low, high) WHERE low IS NOT NULL;

-- Clustered by account: a view is one range of rows.
CREATE TABLE member (
    account INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    joined_after INTEGER NOT NULL,
    left_after INTEGER,
    alias TEXT NOT NULL,
    read INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    sent_read INTEGER NOT NULL,
    PRIMARY KEY (account, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_by_conversation ON member (conversation);

CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    body TEXT NOT NULL,
    origin INTEGER NOT NULL, -- 1 buyer, 2 jim, 3 conv, 4 chat
    client_id TEXT,
    attributes TEXT,
    recalled INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX message_by_position ON message (conversation, position);
CREATE UNIQUE INDEX message_by_client_id ON message (sender, conversation, origin, client_id) WHERE client_id IS NOT NULL;
