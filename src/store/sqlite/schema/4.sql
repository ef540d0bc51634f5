-- Events of chat are kept in a conversation of their own for each pair.
ALTER TABLE conversation ADD COLUMN events INTEGER NOT NULL DEFAULT 0;
DROP INDEX conversation_by_pair;
CREATE UNIQUE INDEX conversation_by_pair ON conversation (low, high, events) WHERE low IS NOT NULL;
