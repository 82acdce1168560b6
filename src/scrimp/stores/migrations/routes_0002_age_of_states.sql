-- When a state was saved, counted up: the oldest of those that grow in number make room for others.
ALTER TABLE states ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;
CREATE INDEX states_by_age ON states (saved);
