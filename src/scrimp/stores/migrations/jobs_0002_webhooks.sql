-- Who is told when a job is over: an address, `settings` for the one that the settings name, or
-- nobody. tell_us is when that is due (NULL: not now), told_us when it was done.
ALTER TABLE jobs ADD COLUMN tell TEXT NOT NULL DEFAULT '';
