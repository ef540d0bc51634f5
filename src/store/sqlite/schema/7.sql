-- Heads are packed in numbers of as many bytes as they need, so that a fold writes fewer pages. What the pages before held is packed anew
-- by the program, which then drops them.

ALTER TABLE head_page RENAME TO fixed_head_page;

-- Of 768 conversations whose numbers follow each other the newest folded message: position, id and time. Varints: the least id of the page
-- and its time, then three numbers for each conversation, zeros for those that have none.
CREATE TABLE head_page (
    id INTEGER PRIMARY KEY, -- the first conversation / 768
    data BLOB NOT NULL
) STRICT;
