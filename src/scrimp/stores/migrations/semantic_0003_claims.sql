-- Until then somebody has the answer made anew; 0: nobody does.
ALTER TABLE groups ADD COLUMN claimed_us INTEGER NOT NULL DEFAULT 0;
