-- What was told, and what is still to be delivered. Times are microseconds since 1970 UTC.
-- A topic is told once: while its row is here, and, where it may come again, until until_us.
CREATE TABLE said (
  topic TEXT PRIMARY KEY,
  until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX said_until ON said (until_us);

CREATE TABLE alerts (
  id TEXT PRIMARY KEY,
  at_us INTEGER NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_at ON alerts (at_us);
CREATE INDEX alerts_kind ON alerts (kind, at_us);

-- next_us: when it is due, or, while a worker (owner) tries, when its lease ends.
CREATE TABLE deliveries (
  alert_id TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
  notifier TEXT NOT NULL,
  state TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  next_us INTEGER NOT NULL,
  owner TEXT NOT NULL DEFAULT '',
  tried_us INTEGER,
  said TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (alert_id, notifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (notifier, next_us) WHERE state = 'waiting';
