-- What has reached an account's clients, how a conversation stands in its list, and ids that are handed out.

-- The newest position that is acknowledged, and below it ranges that are not: two numbers of 8 bytes each, little end first.
ALTER TABLE member ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE member ADD COLUMN holes BLOB;
ALTER TABLE member ADD COLUMN hidden_at INTEGER;
ALTER TABLE member ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
UPDATE member SET acknowledged = read;

-- The newest message id that was handed out without a message.
ALTER TABLE meta ADD COLUMN reserved_id INTEGER NOT NULL DEFAULT 0;
