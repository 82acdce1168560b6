-- Who may call, under which rules, and every change of either. Times are microseconds since
-- 1970-01-01 UTC; an empty text is "none". Of keys only digests are here.

CREATE TABLE members (
  kind TEXT NOT NULL,                   -- org, team, user
  name TEXT NOT NULL,
  org TEXT NOT NULL,
  team TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  PRIMARY KEY (kind, name)
) WITHOUT ROWID;

CREATE TABLE keys (
  name TEXT PRIMARY KEY,                -- a tenant: revoked keys stay, so that no name comes twice
  org TEXT NOT NULL,
  team TEXT NOT NULL,
  user TEXT NOT NULL,
  task TEXT NOT NULL,
  tags TEXT NOT NULL,                   -- JSON [tag, ...]
  models TEXT NOT NULL,                 -- JSON [model, ...]
  trusted INTEGER NOT NULL,
  admin INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  expires_us INTEGER,
  revoked_us INTEGER
) WITHOUT ROWID;

CREATE INDEX keys_team ON keys (team);
CREATE INDEX keys_user ON keys (user);

-- What opens a key: one secret, and after a rotation the one before it until `ends_us`.
CREATE TABLE secrets (
  sha256 TEXT PRIMARY KEY,
  key TEXT NOT NULL REFERENCES keys (name),
  suffix TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  ends_us INTEGER                       -- NULL: the one that holds now
) WITHOUT ROWID;

CREATE INDEX secrets_key ON secrets (key);

CREATE TABLE tiers (
  name TEXT PRIMARY KEY,
  body TEXT NOT NULL                    -- JSON of limits.Tier
) WITHOUT ROWID;

CREATE TABLE budgets (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL,
  tier TEXT NOT NULL,
  body TEXT NOT NULL                    -- JSON of limits.Budget
) WITHOUT ROWID;

CREATE INDEX budgets_scope ON budgets (kind, scope);
CREATE INDEX budgets_tier ON budgets (tier);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_us INTEGER NOT NULL,
  by TEXT NOT NULL,
  action TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  before TEXT NOT NULL,                 -- JSON without secrets, empty for what was not there
  after TEXT NOT NULL
);

CREATE INDEX audit_kind ON audit (kind);

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit log is never changed');
END;

CREATE TRIGGER audit_is_never_cut BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit log is never cut');
END;
