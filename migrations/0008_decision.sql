-- What people decided: only ever added to. `body` is the whole decision as JSON.
CREATE TABLE decision (
  id BIGINT PRIMARY KEY,
  concept_id TEXT NOT NULL,
  generation BIGINT NOT NULL,
  choice TEXT NOT NULL,
  at BIGINT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX decision_by_concept ON decision (concept_id, id);
-- Last decision on the concept that the verdict knew of; 0 for none.
ALTER TABLE scorecard ADD COLUMN last_decision BIGINT NOT NULL DEFAULT 0;
