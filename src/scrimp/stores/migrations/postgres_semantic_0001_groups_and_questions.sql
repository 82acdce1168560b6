-- Answers by meaning: groups of questions that share one answer, what was judged of them, and the
-- sums by which room is made. Triggers keep the sums true; writers come one after the other.

CREATE TABLE store (
  one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one),
  questions BIGINT NOT NULL DEFAULT 0,
  size_bytes BIGINT NOT NULL DEFAULT 0
);
INSERT INTO store DEFAULT VALUES;

CREATE TABLE books (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant TEXT NOT NULL,
  task TEXT NOT NULL,
  hits BIGINT NOT NULL DEFAULT 0,
  misses BIGINT NOT NULL DEFAULT 0,
  audits BIGINT NOT NULL DEFAULT 0,
  judged BIGINT NOT NULL DEFAULT 0,
  judge_nanousd BIGINT NOT NULL DEFAULT 0,
  groups BIGINT NOT NULL DEFAULT 0,
  questions BIGINT NOT NULL DEFAULT 0,
  size_bytes BIGINT NOT NULL DEFAULT 0,
  UNIQUE (tenant, task)
);

-- hour: the last one in which the caller added questions; inserted: how many in it.
CREATE TABLE callers (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  hour BIGINT NOT NULL DEFAULT 0,
  inserted BIGINT NOT NULL DEFAULT 0,
  size_bytes BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX callers_by_size ON callers (size_bytes);

-- dims: 0 until the first vector. graph: an index of its own holds its questions.
CREATE TABLE scopes (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scope BYTEA NOT NULL UNIQUE,
  dims BIGINT NOT NULL DEFAULT 0,
  questions BIGINT NOT NULL DEFAULT 0,
  changed_us BIGINT NOT NULL DEFAULT 0,
  graph BOOLEAN NOT NULL DEFAULT false,
  state BYTEA
);

-- Who holds how much of a scope.
CREATE TABLE holders (
  scope BIGINT NOT NULL,
  caller BIGINT NOT NULL,
  questions BIGINT NOT NULL,
  PRIMARY KEY (scope, caller)
);
CREATE INDEX holders_by_size ON holders (scope, questions);

-- used: grows with each use, so that the smallest is the least recently used.
CREATE SEQUENCE uses;
CREATE TABLE groups (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scope BIGINT NOT NULL REFERENCES scopes (id),
  book BIGINT NOT NULL REFERENCES books (id),
  caller BIGINT NOT NULL REFERENCES callers (id),
  stored_us BIGINT NOT NULL,
  expires_us BIGINT NOT NULL,
  used BIGINT NOT NULL DEFAULT nextval('uses'),
  questions BIGINT NOT NULL DEFAULT 0,
  equal BIGINT NOT NULL DEFAULT 0,
  different BIGINT NOT NULL DEFAULT 0,
  quarantined BOOLEAN NOT NULL DEFAULT false,
  size_bytes BIGINT NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  tags TEXT[] NOT NULL,
  reply BYTEA NOT NULL
);
ALTER TABLE groups ALTER COLUMN reply SET STORAGE EXTERNAL;
CREATE INDEX groups_by_holder ON groups (scope, caller, used);
CREATE INDEX groups_by_caller ON groups (caller, used);
CREATE INDEX groups_by_end ON groups (expires_us);
CREATE INDEX groups_by_name ON groups (name) WHERE name <> '';
CREATE INDEX groups_by_tag ON groups USING gin (tags);

-- vector: its direction as int16 numbers, little-endian; near: the same, as the server compares it.
-- text: UTF-8, because a client's may have signs that TEXT has no room for.
CREATE TABLE questions (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scope BIGINT NOT NULL REFERENCES scopes (id),
  grp BIGINT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  expires_us BIGINT NOT NULL,
  root BOOLEAN NOT NULL,
  vector BYTEA NOT NULL,
  near HALFVEC NOT NULL,
  sketch BYTEA NOT NULL,
  text BYTEA NOT NULL
);
ALTER TABLE questions ALTER COLUMN vector SET STORAGE EXTERNAL;
CREATE INDEX questions_by_scope ON questions (scope);
CREATE INDEX questions_by_group ON questions (grp);

-- features: float64 numbers, little-endian.
CREATE TABLE verdicts (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scope BIGINT NOT NULL REFERENCES scopes (id),
  grp BIGINT NOT NULL,
  at_us BIGINT NOT NULL,
  equal BOOLEAN NOT NULL,
  served BOOLEAN NOT NULL,
  propensity DOUBLE PRECISION NOT NULL,
  score DOUBLE PRECISION NOT NULL,
  cost_nanousd BIGINT NOT NULL,
  source TEXT NOT NULL,
  features BYTEA NOT NULL
);
CREATE INDEX verdicts_by_scope ON verdicts (scope, id);

-- at_us: by this server's clock. chosen: JSON. An answer that was asked for before is not kept any
-- more when it is among them.
CREATE TABLE forgotten (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at_us BIGINT NOT NULL,
  chosen BYTEA NOT NULL
);
CREATE INDEX forgotten_by_time ON forgotten (at_us);
CREATE FUNCTION server_us() RETURNS BIGINT LANGUAGE sql VOLATILE AS
'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT';

CREATE FUNCTION group_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE store SET size_bytes = size_bytes + NEW.size_bytes;
  UPDATE callers SET size_bytes = size_bytes + NEW.size_bytes WHERE id = NEW.caller;
  UPDATE books SET groups = groups + 1, size_bytes = size_bytes + NEW.size_bytes
  WHERE id = NEW.book;
  RETURN NULL;
END $$;
CREATE TRIGGER group_came AFTER INSERT ON groups FOR EACH ROW EXECUTE FUNCTION group_came();

CREATE FUNCTION group_grew() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  more BIGINT := NEW.questions - OLD.questions;
  larger BIGINT := NEW.size_bytes - OLD.size_bytes;
BEGIN
  UPDATE store SET questions = questions + more, size_bytes = size_bytes + larger;
  UPDATE callers SET size_bytes = size_bytes + larger WHERE id = NEW.caller;
  UPDATE books SET questions = questions + more, size_bytes = size_bytes + larger
  WHERE id = NEW.book;
  UPDATE scopes SET questions = questions + more WHERE id = NEW.scope;
  INSERT INTO holders AS held (scope, caller, questions) VALUES (NEW.scope, NEW.caller, more)
  ON CONFLICT (scope, caller) DO UPDATE SET questions = held.questions + excluded.questions;
  RETURN NULL;
END $$;
CREATE TRIGGER group_grew AFTER UPDATE OF questions, size_bytes ON groups
FOR EACH ROW EXECUTE FUNCTION group_grew();

CREATE FUNCTION group_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
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
  RETURN NULL;
END $$;
CREATE TRIGGER group_went AFTER DELETE ON groups FOR EACH ROW EXECUTE FUNCTION group_went();
