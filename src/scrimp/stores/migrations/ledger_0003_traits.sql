-- What a paid call is known by without a word of it: digests keyed by a secret beside this file, and
-- sizes. NULL for calls that a lever answered, where settings ask for none, and before this version.

ALTER TABLE calls ADD COLUMN body_bytes INTEGER;
ALTER TABLE calls ADD COLUMN prompt INTEGER;          -- NULL: never answered from memory
ALTER TABLE calls ADD COLUMN stamped INTEGER;         -- without timestamps and ids; NULL: it has none
ALTER TABLE calls ADD COLUMN loose INTEGER;           -- also without white space and case
ALTER TABLE calls ADD COLUMN system INTEGER;          -- tools and instructions before the first turn
ALTER TABLE calls ADD COLUMN system_stamped INTEGER;
ALTER TABLE calls ADD COLUMN system_bytes INTEGER;
ALTER TABLE calls ADD COLUMN result_bytes INTEGER;    -- of results of tools
ALTER TABLE calls ADD COLUMN max_output_tokens INTEGER;
ALTER TABLE calls ADD COLUMN own_marks INTEGER;       -- marked by the client for the prefix cache
