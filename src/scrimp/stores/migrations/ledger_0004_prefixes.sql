-- What prefix caches did, by hour: input that was written, what that cost beyond fresh input, and
-- what was lost where prefixes broke. Of calls of before the tokens are known, the money is left 0.

ALTER TABLE rollups ADD COLUMN cache_write_5m_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollups ADD COLUMN cache_write_1h_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollups ADD COLUMN premium_nanousd INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollups ADD COLUMN broken_nanousd INTEGER NOT NULL DEFAULT 0;

WITH written AS (
  SELECT seq, at_us / 3600000000 AS hour, tenant, model, key, task, provider, team, user, served_by,
    tags, cache_write_5m_tokens AS short, cache_write_1h_tokens AS long
  FROM calls WHERE cache_write_5m_tokens + cache_write_1h_tokens > 0
), written_by AS (
  SELECT 'total' AS dimension, hour, tenant, '' AS value, sum(short) AS short, sum(long) AS long
    FROM written GROUP BY hour, tenant
  UNION ALL SELECT 'model', hour, tenant, model, sum(short), sum(long)
    FROM written GROUP BY hour, tenant, model
  UNION ALL SELECT 'key', hour, tenant, key, sum(short), sum(long)
    FROM written GROUP BY hour, tenant, key
  UNION ALL SELECT 'task', hour, tenant, task, sum(short), sum(long)
    FROM written GROUP BY hour, tenant, task
  UNION ALL SELECT 'provider', hour, tenant, provider, sum(short), sum(long)
    FROM written GROUP BY hour, tenant, provider
  UNION ALL SELECT 'team', hour, tenant, team, sum(short), sum(long)
    FROM written GROUP BY hour, tenant, team
  UNION ALL SELECT 'user', hour, tenant, user, sum(short), sum(long)
    FROM written GROUP BY hour, tenant, user
  UNION ALL SELECT 'served_by', hour, tenant, served_by, sum(short), sum(long)
    FROM written GROUP BY hour, tenant, served_by
  UNION ALL SELECT 'tag', hour, tenant, tag, sum(short), sum(long)
    FROM (SELECT DISTINCT seq, hour, tenant, each.value AS tag, short, long
      FROM written, json_each(tags) AS each)
    GROUP BY hour, tenant, tag
)
UPDATE rollups SET cache_write_5m_tokens = found.short, cache_write_1h_tokens = found.long
  FROM written_by AS found
  WHERE rollups.dimension = found.dimension AND rollups.hour = found.hour
    AND rollups.tenant = found.tenant AND rollups.value = found.value;
