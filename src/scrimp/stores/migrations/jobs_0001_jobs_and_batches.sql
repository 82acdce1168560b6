-- Calls that wait, and the batches that they travel in. Times are microseconds since 1970 UTC.
-- What a client said (asked, sent, deferred) is here until its job is booked, an answer until it is
-- forgotten with its job.
CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  key TEXT NOT NULL,
  ref TEXT NOT NULL DEFAULT '',
  lane TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  dialect TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  until_us INTEGER NOT NULL,
  state TEXT NOT NULL,
  batch TEXT NOT NULL DEFAULT '',
  tries INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL,
  deferred TEXT,
  asked BLOB,
  sent BLOB,
  status INTEGER NOT NULL DEFAULT 0,
  why TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  body BLOB,
  attempt TEXT,
  ended_us INTEGER,
  booked INTEGER NOT NULL DEFAULT 0,
  cost_nanousd INTEGER,
  saved_nanousd INTEGER,
  told_us INTEGER,
  tell_us INTEGER,
  tell_tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX jobs_ref ON jobs (tenant, ref) WHERE ref != '';
CREATE INDEX jobs_tenant ON jobs (tenant, id);
CREATE INDEX jobs_state ON jobs (state, lane, at_us);
CREATE INDEX jobs_due ON jobs (until_us) WHERE ended_us IS NULL;
CREATE INDEX jobs_batch ON jobs (batch, id) WHERE batch != '';
CREATE INDEX jobs_unbooked ON jobs (ended_us) WHERE booked = 0 AND ended_us IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (ended_us) WHERE ended_us IS NOT NULL;
CREATE INDEX jobs_tell ON jobs (tell_us) WHERE tell_us IS NOT NULL;

-- sent_us: when the provider was asked to begin it, whether or not an answer came.
CREATE TABLE batches (
  id TEXT PRIMARY KEY,
  lane TEXT NOT NULL,
  state TEXT NOT NULL,
  items INTEGER NOT NULL,
  made_us INTEGER NOT NULL,
  sent_us INTEGER,
  remote TEXT NOT NULL DEFAULT '',
  file TEXT NOT NULL DEFAULT '',
  misses INTEGER NOT NULL DEFAULT 0,
  recalled INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX batches_open ON batches (made_us) WHERE state != 'over';

CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
