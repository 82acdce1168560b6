-- Remembered replies, and what is kept and counted of each scope (tenant and task type).
-- Triggers keep the sums of scopes true, whichever process writes.
CREATE TABLE scopes (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  task TEXT NOT NULL,
  hits INTEGER NOT NULL DEFAULT 0,
  misses INTEGER NOT NULL DEFAULT 0,
  entries INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, task)
);

-- used: grows with each use, so that the smallest is the least recently used.
CREATE TABLE replies (
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE,
  scope INTEGER NOT NULL REFERENCES scopes (id),
  expires_us INTEGER NOT NULL,
  used INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  reply BLOB NOT NULL
);
CREATE INDEX replies_by_use ON replies (used);
CREATE INDEX replies_by_end ON replies (expires_us);

CREATE TRIGGER reply_came AFTER INSERT ON replies BEGIN
  UPDATE scopes SET entries = entries + 1, size_bytes = size_bytes + NEW.size_bytes
  WHERE id = NEW.scope;
END;
CREATE TRIGGER reply_went AFTER DELETE ON replies BEGIN
  UPDATE scopes SET entries = entries - 1, size_bytes = size_bytes - OLD.size_bytes
  WHERE id = OLD.scope;
END;
CREATE TRIGGER reply_changed AFTER UPDATE OF scope, size_bytes ON replies BEGIN
  UPDATE scopes SET entries = entries - 1, size_bytes = size_bytes - OLD.size_bytes
  WHERE id = OLD.scope;
  UPDATE scopes SET entries = entries + 1, size_bytes = size_bytes + NEW.size_bytes
  WHERE id = NEW.scope;
END;
