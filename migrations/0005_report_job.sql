-- A report a vendor is still preparing: found again after a restart, so that it is not asked for twice. `request`
-- is a hash of what was asked.
CREATE TABLE report_job (
  source_id TEXT NOT NULL,
  request TEXT NOT NULL,
  job TEXT NOT NULL,
  asked_at BIGINT NOT NULL,
  PRIMARY KEY (source_id, request)
);
