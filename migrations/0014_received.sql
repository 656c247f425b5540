-- What vendors sent by themselves and was kept: a keyed hash of what tells a delivery from all others of its source, and
-- the day it came, after which it is remembered for a month.
CREATE TABLE received (
  source_id TEXT NOT NULL,
  mark TEXT NOT NULL,
  received_on TEXT NOT NULL,
  PRIMARY KEY (source_id, mark)
) /* clustered */;
CREATE INDEX received_by_day ON received (received_on);
