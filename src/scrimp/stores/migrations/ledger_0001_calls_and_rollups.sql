-- The ledger: one row per call, and hourly sums of it, one row per (dimension, hour, tenant, value).
-- Names are kept as plain text, not interned: any tool can read the file, several processes may
-- write it without agreeing on numbers first, and it costs no more CPU than a lookup per name.

CREATE TABLE calls (
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,              -- UUIDv7, 16 bytes
  at_us INTEGER NOT NULL,               -- microseconds since 1970-01-01 UTC
  purpose TEXT NOT NULL,
  operation TEXT NOT NULL,
  dialect TEXT NOT NULL,
  provider TEXT NOT NULL,
  model_requested TEXT NOT NULL,
  model TEXT NOT NULL,
  status INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  served_by TEXT NOT NULL,
  stream INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_5m_tokens INTEGER NOT NULL,
  cache_write_1h_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  input_audio_tokens INTEGER NOT NULL,
  cache_read_audio_tokens INTEGER NOT NULL,
  output_audio_tokens INTEGER NOT NULL,
  input_image_tokens INTEGER NOT NULL,
  output_image_tokens INTEGER NOT NULL,
  web_search_requests INTEGER NOT NULL,
  suspect TEXT NOT NULL,
  cost_basis TEXT NOT NULL,
  cost_nanousd INTEGER,                 -- NULL: not known, never to be read as 0
  cost_low_nanousd INTEGER,
  cost_high_nanousd INTEGER,
  baseline_nanousd INTEGER,
  saved TEXT NOT NULL,                  -- JSON [[lever, nanousd], ...]
  price_version TEXT NOT NULL,
  latency_ms REAL NOT NULL,
  upstream_ms REAL NOT NULL,
  ttft_ms REAL,
  tenant TEXT NOT NULL,
  key TEXT NOT NULL,
  team TEXT NOT NULL,
  user TEXT NOT NULL,
  task TEXT NOT NULL,
  task_source TEXT NOT NULL,
  tags TEXT NOT NULL,                   -- JSON [tag, ...]
  session TEXT NOT NULL,
  trace TEXT NOT NULL,                  -- JSON
  attempts TEXT NOT NULL,               -- JSON, without what had arrived of broken replies
  request_content TEXT,                 -- NULL unless settings ask for it
  reply_content TEXT
);

CREATE INDEX calls_at ON calls (at_us);

-- One dimension per row: a rollup over the product of dimensions grows as large as the calls.
CREATE TABLE rollups (
  dimension TEXT NOT NULL,
  hour INTEGER NOT NULL,                -- hours since 1970-01-01 UTC
  tenant TEXT NOT NULL,
  value TEXT NOT NULL,
  calls INTEGER NOT NULL,
  hits INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  unpriced_calls INTEGER NOT NULL,
  cost_nanousd INTEGER NOT NULL,
  cost_low_nanousd INTEGER NOT NULL,
  cost_high_nanousd INTEGER NOT NULL,
  baseline_nanousd INTEGER NOT NULL,
  saved_nanousd INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  PRIMARY KEY (dimension, hour, tenant, value)
) WITHOUT ROWID;
