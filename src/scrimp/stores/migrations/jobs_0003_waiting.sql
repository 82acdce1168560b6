-- What gathering jobs into batches looks at: the head of each lane, however many jobs wait in it.
-- `state` stands in them so that no row of the table has to be read beside.
CREATE INDEX jobs_waiting ON jobs (lane, at_us, id, size_bytes, state) WHERE state = 'waiting';
CREATE INDEX jobs_waiting_due ON jobs (lane, until_us, state) WHERE state = 'waiting';
