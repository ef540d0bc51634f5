-- What a fold changes most is packed: a page of heads or of members' rows is one row here, so that a fold writes each page once and not
-- each row in it. What the tables before held is packed by the program, which then drops them.

-- Of 320 conversations whose numbers follow each other the newest folded message: position, id and time, eight bytes each, the low ones
-- first; zeros for those that have none.
CREATE TABLE head_page (
    id INTEGER PRIMARY KEY, -- the first conversation / 320
    data BLOB NOT NULL
) STRICT;

-- Members' rows by account and conversation.
CREATE TABLE member_page (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;
-- Where each page begins: it has what lies before the beginning of the next one.
CREATE TABLE member_page_key (
    account INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    page INTEGER NOT NULL,
    PRIMARY KEY (account, conversation)
) STRICT, WITHOUT ROWID;
INSERT INTO member_page (id, data) VALUES (1, x'');
INSERT INTO member_page_key (account, conversation, page) VALUES (0, 0, 1);

-- Whose rows are those of a group's members, past and present.
CREATE TABLE group_member (
    conversation INTEGER NOT NULL,
    account INTEGER NOT NULL,
    PRIMARY KEY (conversation, account)
) STRICT, WITHOUT ROWID;
