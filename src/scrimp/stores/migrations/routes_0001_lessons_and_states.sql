-- What routes learn from, without any text, and what they have learned. Numbers of lessons grow, so
-- that the smallest of a place is its oldest. A state is written over by the next of its name.
CREATE TABLE lessons (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  task TEXT NOT NULL,
  prompt TEXT NOT NULL,
  lesson BLOB NOT NULL
) STRICT;
CREATE INDEX lessons_of_a_place ON lessons (tenant, task, prompt, number);
CREATE TABLE states (
  name TEXT PRIMARY KEY,
  state BLOB NOT NULL
) STRICT, WITHOUT ROWID;
