-- Budgets: what is used and held of each counter in each window, and every hold that may still end.
-- Amounts are nano-dollars, tokens or calls, as the counter's key says; times are microseconds since
-- 1970-01-01 UTC.

-- `latest_us` is the highest time that any process has seen: time never runs backwards here.
-- `turn` changes with every transaction, so that a process knows whether what it remembers holds.
CREATE TABLE clock (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  latest_us INTEGER NOT NULL,
  turn INTEGER NOT NULL
);
INSERT INTO clock VALUES (1, 0, 0);

-- Numbers are never given twice: a hold may outlive its counter.
CREATE TABLE counters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE              -- JSON [scope kind, name, model, provider, unit, window, seconds, zone]
);

CREATE TABLE cells (
  counter INTEGER NOT NULL,
  start_us INTEGER NOT NULL,            -- of the window, or of one bucket of a rolling one
  until_us INTEGER NOT NULL,            -- from then on it counts for nothing
  used INTEGER NOT NULL,
  held INTEGER NOT NULL,
  PRIMARY KEY (counter, start_us)
) WITHOUT ROWID;
CREATE INDEX cells_until ON cells (until_us);

CREATE TABLE holds (
  id TEXT PRIMARY KEY,
  state INTEGER NOT NULL,               -- 0 open, 1 charged when its lease ended, 2 ended
  due_us INTEGER NOT NULL,              -- 0: the end of its lease; 1, 2: when it is forgotten
  parts TEXT NOT NULL                   -- JSON [counter, start_us, amount, ...]; empty when ended
) WITHOUT ROWID;
CREATE INDEX holds_due ON holds (state, due_us);
