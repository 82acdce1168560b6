-- How upstreams have answered of late. health is JSON (scrimp.health.Health); it says nothing that
-- matters for longer than some minutes, so the file may be deleted at any time.
CREATE TABLE upstreams (
  upstream TEXT PRIMARY KEY,
  health TEXT NOT NULL
) STRICT, WITHOUT ROWID;
