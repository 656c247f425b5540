-- What a message tells of, so that a newer one can take the place of one that has not arrived, and that it is known which
-- state of a concept a destination was told last. Empty of those written before.
ALTER TABLE delivery RENAME TO delivery_before;
CREATE TABLE delivery (
  id TEXT PRIMARY KEY,
  scorecard_id BIGINT NOT NULL,
  destination TEXT NOT NULL,
  concept_id TEXT NOT NULL,
  verdict TEXT NOT NULL, -- of a change of state; empty of all else
  thread TEXT NOT NULL, -- the delivery that it continues, or its own id
  written BIGINT NOT NULL, -- the instant it speaks for
  message TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  unanswered BIGINT NOT NULL, -- attempts begun whose answer was never recorded
  not_before BIGINT NOT NULL,
  quiet TEXT, -- when nothing is sent there; NULL: never
  state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'given_up', 'superseded')),
  delivered_at BIGINT,
  last_error TEXT
);
INSERT INTO delivery (
  id, scorecard_id, destination, concept_id, verdict, thread, written, message, attempts, unanswered, not_before, state,
  delivered_at, last_error
) SELECT id, scorecard_id, destination, '', '', id, not_before, message, attempts, unanswered, not_before, state,
  delivered_at, last_error FROM delivery_before;
DROP TABLE delivery_before;
CREATE INDEX delivery_by_state ON delivery (state, not_before);
CREATE INDEX delivery_by_concept ON delivery (concept_id, destination, written);
-- What people said of a concept's state without deciding: that they know, or that they do not want to be reminded for now.
CREATE TABLE acknowledgement (
  id BIGINT PRIMARY KEY,
  concept_id TEXT NOT NULL,
  body TEXT NOT NULL
);
