-- What a person's address said when it was read (a keyed hash of its domain; whether it is a throwaway or a trial),
-- why an act no longer stands, and what was answered to the questions the user named, as a JSON object.
ALTER TABLE response ADD COLUMN domain TEXT;
ALTER TABLE response ADD COLUMN mark TEXT;
ALTER TABLE response ADD COLUMN void TEXT;
ALTER TABLE response ADD COLUMN answers TEXT;
ALTER TABLE response_before ADD COLUMN domain TEXT;
ALTER TABLE response_before ADD COLUMN mark TEXT;
ALTER TABLE response_before ADD COLUMN void TEXT;
ALTER TABLE response_before ADD COLUMN answers TEXT;

-- What people wrote freely: no part of any test, so it has no earlier states, and it is deleted after a while.
CREATE TABLE free_text (
  source_id TEXT NOT NULL,
  response_id TEXT NOT NULL,
  name TEXT NOT NULL,
  at BIGINT NOT NULL,
  said TEXT NOT NULL,
  PRIMARY KEY (source_id, response_id, name)
) /* clustered */;
CREATE INDEX free_text_by_instant ON free_text (at);
