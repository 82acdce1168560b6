-- What was forgotten lately. chosen: JSON. An answer that was asked for before is not kept any more
-- when it is among them.
CREATE TABLE forgotten (
  id INTEGER PRIMARY KEY,
  at_us INTEGER NOT NULL,
  chosen BLOB NOT NULL
);
CREATE INDEX forgotten_by_time ON forgotten (at_us);
