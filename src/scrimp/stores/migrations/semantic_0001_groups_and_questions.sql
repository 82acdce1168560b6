-- Answers by meaning: groups of questions that share one answer, what was judged of them, and the
-- sums by which room is made. Triggers keep the sums true, whichever process writes.

-- id: of this very file, so that an index of another one is known for what it is.
-- forgotten: departures up to this one are no more in `gone`.
CREATE TABLE store (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id BLOB NOT NULL,
  questions INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0,
  forgotten INTEGER NOT NULL DEFAULT 0
);
INSERT INTO store (one, id) VALUES (1, randomblob(16));

CREATE TABLE books (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  task TEXT NOT NULL,
  hits INTEGER NOT NULL DEFAULT 0,
  misses INTEGER NOT NULL DEFAULT 0,
  audits INTEGER NOT NULL DEFAULT 0,
  judged INTEGER NOT NULL DEFAULT 0,
  judge_nanousd INTEGER NOT NULL DEFAULT 0,
  groups INTEGER NOT NULL DEFAULT 0,
  questions INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, task)
);

-- hour: the last one in which the caller added questions; inserted: how many in it.
CREATE TABLE callers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  hour INTEGER NOT NULL DEFAULT 0,
  inserted INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX callers_by_size ON callers (size_bytes);

-- dims: 0 until the first vector.
CREATE TABLE scopes (
  id INTEGER PRIMARY KEY,
  scope BLOB NOT NULL UNIQUE,
  dims INTEGER NOT NULL DEFAULT 0,
  questions INTEGER NOT NULL DEFAULT 0,
  changed_us INTEGER NOT NULL DEFAULT 0,
  state BLOB
);

-- Who holds how much of a scope.
CREATE TABLE holders (
  scope INTEGER NOT NULL,
  caller INTEGER NOT NULL,
  questions INTEGER NOT NULL,
  PRIMARY KEY (scope, caller)
) WITHOUT ROWID;
CREATE INDEX holders_by_size ON holders (scope, questions);

-- used: grows with each use, so that the smallest is the least recently used.
CREATE TABLE groups (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL REFERENCES scopes (id),
  book INTEGER NOT NULL REFERENCES books (id),
  caller INTEGER NOT NULL REFERENCES callers (id),
  stored_us INTEGER NOT NULL,
  expires_us INTEGER NOT NULL,
  used INTEGER NOT NULL,
  questions INTEGER NOT NULL DEFAULT 0,
  equal INTEGER NOT NULL DEFAULT 0,
  different INTEGER NOT NULL DEFAULT 0,
  quarantined INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL
);
CREATE INDEX groups_by_holder ON groups (scope, caller, used);
CREATE INDEX groups_by_caller ON groups (caller, used);
CREATE INDEX groups_by_end ON groups (expires_us);
CREATE INDEX groups_by_name ON groups (name) WHERE name <> '';

CREATE TABLE answers (id INTEGER PRIMARY KEY REFERENCES groups (id), reply BLOB NOT NULL);

CREATE TABLE tags (
  tag TEXT NOT NULL,
  grp INTEGER NOT NULL REFERENCES groups (id),
  PRIMARY KEY (tag, grp)
) WITHOUT ROWID;
CREATE INDEX tags_by_group ON tags (grp);

-- vector: its direction as int16 numbers, little-endian.
CREATE TABLE questions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL REFERENCES scopes (id),
  grp INTEGER NOT NULL REFERENCES groups (id),
  expires_us INTEGER NOT NULL,
  root INTEGER NOT NULL,
  vector BLOB NOT NULL,
  sketch BLOB NOT NULL,
  text TEXT NOT NULL
);
CREATE INDEX questions_by_scope ON questions (scope, id);
CREATE INDEX questions_by_group ON questions (grp);

-- Questions that left, so that indexes in memory and in files can follow.
CREATE TABLE gone (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL,
  question INTEGER NOT NULL
);
CREATE INDEX gone_by_scope ON gone (scope, id);

-- features: float64 numbers, little-endian.
CREATE TABLE verdicts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL REFERENCES scopes (id),
  grp INTEGER NOT NULL,
  at_us INTEGER NOT NULL,
  equal INTEGER NOT NULL,
  served INTEGER NOT NULL,
  propensity REAL NOT NULL,
  score REAL NOT NULL,
  cost_nanousd INTEGER NOT NULL,
  source TEXT NOT NULL,
  features BLOB NOT NULL
);
CREATE INDEX verdicts_by_scope ON verdicts (scope, id);

CREATE TRIGGER group_came AFTER INSERT ON groups BEGIN
  UPDATE store SET size_bytes = size_bytes + NEW.size_bytes;
  UPDATE callers SET size_bytes = size_bytes + NEW.size_bytes WHERE id = NEW.caller;
  UPDATE books SET groups = groups + 1, size_bytes = size_bytes + NEW.size_bytes
  WHERE id = NEW.book;
END;
CREATE TRIGGER group_grew AFTER UPDATE OF questions, size_bytes ON groups BEGIN
  UPDATE store SET
    questions = questions + NEW.questions - OLD.questions,
    size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes;
  UPDATE callers SET size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes
  WHERE id = NEW.caller;
  UPDATE books SET
    questions = questions + NEW.questions - OLD.questions,
    size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes
  WHERE id = NEW.book;
  UPDATE scopes SET questions = questions + NEW.questions - OLD.questions WHERE id = NEW.scope;
  INSERT INTO holders (scope, caller, questions)
  VALUES (NEW.scope, NEW.caller, NEW.questions - OLD.questions)
  ON CONFLICT DO UPDATE SET questions = questions + excluded.questions;
END;
CREATE TRIGGER group_went AFTER DELETE ON groups BEGIN
  UPDATE store SET
    questions = questions - OLD.questions, size_bytes = size_bytes - OLD.size_bytes;
  UPDATE callers SET size_bytes = size_bytes - OLD.size_bytes WHERE id = OLD.caller;
  UPDATE books SET
    groups = groups - 1, questions = questions - OLD.questions,
    size_bytes = size_bytes - OLD.size_bytes
  WHERE id = OLD.book;
  UPDATE scopes SET questions = questions - OLD.questions WHERE id = OLD.scope;
  UPDATE holders SET questions = questions - OLD.questions
  WHERE scope = OLD.scope AND caller = OLD.caller;
  DELETE FROM holders WHERE scope = OLD.scope AND caller = OLD.caller AND questions <= 0;
  DELETE FROM answers WHERE id = OLD.id;
  DELETE FROM tags WHERE grp = OLD.id;
  INSERT INTO gone (scope, question) SELECT scope, id FROM questions WHERE grp = OLD.id;
  DELETE FROM questions WHERE grp = OLD.id;
END;
