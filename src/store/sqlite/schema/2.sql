-- Customer service. Times are milliseconds since the Unix epoch.

-- Which agent answers which visitor. Of a pair the newest assignment is kept.
CREATE TABLE assignment (
    visitor INTEGER NOT NULL,
    agent INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (visitor, agent)
) STRICT, WITHOUT ROWID;
CREATE INDEX assignment_by_agent ON assignment (agent, at);

CREATE INDEX account_by_role ON account (role) WHERE role IN (1, 2);

CREATE UNIQUE INDEX conversation_by_jim_name ON conversation (jim_name) WHERE jim_name IS NOT NULL;

-- The conversation stands last: a message that is taken back is looked up by its id alone.
DROP INDEX message_by_client_id;
CREATE UNIQUE INDEX message_by_client_id ON message (sender, origin, client_id, conversation) WHERE client_id IS NOT NULL;
