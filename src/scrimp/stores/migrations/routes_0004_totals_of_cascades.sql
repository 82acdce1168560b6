-- What cascades have cost beside going direct, by route: workers add to it, and it outlives them.
CREATE TABLE cascades (
  tenant TEXT NOT NULL,
  task TEXT NOT NULL,
  prompt TEXT NOT NULL,
  calls INTEGER NOT NULL,
  cost_nanousd INTEGER NOT NULL,
  direct_nanousd INTEGER NOT NULL,
  off_until_s REAL NOT NULL,            -- seconds since 1970; 0: it runs
  used INTEGER NOT NULL,                -- counted up: the smallest was used longest ago
  PRIMARY KEY (tenant, task, prompt)
) STRICT, WITHOUT ROWID;
CREATE INDEX cascades_by_use ON cascades (tenant, used);
