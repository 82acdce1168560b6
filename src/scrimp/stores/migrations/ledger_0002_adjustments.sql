-- What became of a call's amounts after it was booked: differences to add, one row per correction.
-- Calls are never changed; the sums in rollups hold both.

ALTER TABLE calls ADD COLUMN untouched TEXT;  -- JSON: the attempt that a lever's answer stood in for

CREATE TABLE adjustments (
  seq INTEGER PRIMARY KEY,
  call_id BLOB NOT NULL REFERENCES calls (id),
  call_at_us INTEGER NOT NULL,          -- of the call: a report asks for a time of calls
  at_us INTEGER NOT NULL,               -- when the correction was made
  reason TEXT NOT NULL,
  price_version TEXT NOT NULL,          -- what holds from now on, and how it is known
  cost_basis TEXT NOT NULL,
  known INTEGER NOT NULL,               -- 1: the cost was not known before
  cost_nanousd INTEGER NOT NULL,        -- differences; an unknown amount counts as 0 in every sum
  cost_low_nanousd INTEGER NOT NULL,
  cost_high_nanousd INTEGER NOT NULL,
  baseline_nanousd INTEGER NOT NULL,
  saved TEXT NOT NULL                   -- JSON [[lever, nanousd, 1 if it had not saved before], ...]
);

CREATE INDEX adjustments_call ON adjustments (call_id);
CREATE INDEX adjustments_call_at ON adjustments (call_at_us);
