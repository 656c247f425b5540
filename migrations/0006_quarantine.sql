-- Readings that held much less than the store did for days that had settled. The rows are not kept: the next
-- reading brings them again. In use from confirmed_pull on, and in doubt until ended_pull.
CREATE TABLE quarantine (
  id BIGINT PRIMARY KEY,
  source_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  first_day TEXT NOT NULL,
  last_day TEXT NOT NULL,
  rows_before BIGINT NOT NULL,
  rows_after BIGINT NOT NULL,
  metric TEXT,
  amount_before BIGINT NOT NULL,
  amount_after BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  confirmed_pull BIGINT,
  ended_pull BIGINT
);
CREATE INDEX quarantine_by_source ON quarantine (source_id, last_day);
