-- What replies can be found and forgotten by, and what was forgotten lately.
-- stored_us 0: put before this version, so that only the reply itself can tell.
ALTER TABLE replies ADD COLUMN stored_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replies ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE replies ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE replies ADD COLUMN served TEXT NOT NULL DEFAULT '';
ALTER TABLE replies ADD COLUMN tags INTEGER NOT NULL DEFAULT 0;
CREATE INDEX replies_by_name ON replies (name) WHERE name <> '';

CREATE TABLE tags (
  reply INTEGER NOT NULL REFERENCES replies (id),
  tag TEXT NOT NULL,
  PRIMARY KEY (reply, tag)
) WITHOUT ROWID;
CREATE INDEX tags_by_tag ON tags (tag);

CREATE TRIGGER tagged_reply_went AFTER DELETE ON replies WHEN OLD.tags BEGIN
  DELETE FROM tags WHERE reply = OLD.id;
END;
CREATE TRIGGER tagged_reply_changed AFTER UPDATE OF tags ON replies WHEN OLD.tags BEGIN
  DELETE FROM tags WHERE reply = OLD.id;
END;

-- chosen: JSON. An answer that was asked for before is not put any more when it is among them.
CREATE TABLE forgotten (
  id INTEGER PRIMARY KEY,
  at_us INTEGER NOT NULL,
  chosen BLOB NOT NULL
);
CREATE INDEX forgotten_by_time ON forgotten (at_us);
