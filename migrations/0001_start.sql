-- Runs unchanged on SQLite and PostgreSQL: TEXT, BIGINT and DOUBLE PRECISION only. Days are TEXT, instants
-- are UTC milliseconds, observed values are millionths. `/* clustered */` marks tables read by their key.

-- One committed window of one source. Its id orders commits.
CREATE TABLE pull (
  id BIGINT PRIMARY KEY,
  run_id TEXT NOT NULL,
  source_id TEXT NOT NULL,
  first_day TEXT NOT NULL,
  last_day TEXT NOT NULL,
  currency TEXT,
  day_zone TEXT NOT NULL,
  committed_at BIGINT NOT NULL
);
CREATE INDEX pull_by_source ON pull (source_id, id);

-- What sources counted, as last known: one row per source, day and arm key, one column per metric.
CREATE TABLE observation (
  source_id TEXT NOT NULL,
  day TEXT NOT NULL,
  arm_key TEXT NOT NULL,
  pull_id BIGINT NOT NULL,
  impressions BIGINT,
  clicks BIGINT,
  visits BIGINT,
  spend BIGINT,
  conversions BIGINT,
  leads BIGINT,
  form_opens BIGINT,
  signups BIGINT,
  PRIMARY KEY (source_id, day, arm_key)
) /* clustered */;

-- Every earlier state. As known at pull P: pull_id <= P from observation,
-- and pull_id <= P < until_pull from here.
CREATE TABLE observation_before (
  source_id TEXT NOT NULL,
  day TEXT NOT NULL,
  arm_key TEXT NOT NULL,
  pull_id BIGINT NOT NULL,
  impressions BIGINT,
  clicks BIGINT,
  visits BIGINT,
  spend BIGINT,
  conversions BIGINT,
  leads BIGINT,
  form_opens BIGINT,
  signups BIGINT,
  until_pull BIGINT NOT NULL,
  PRIMARY KEY (source_id, day, arm_key, until_pull)
) /* clustered */;

-- One person's act, as last known. `person` is a keyed hash in hex.
CREATE TABLE response (
  source_id TEXT NOT NULL,
  response_id TEXT NOT NULL,
  pull_id BIGINT NOT NULL,
  person TEXT,
  depth TEXT NOT NULL,
  arm_key TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (source_id, response_id)
) /* clustered */;
CREATE INDEX response_by_instant ON response (source_id, at);

CREATE TABLE response_before (
  source_id TEXT NOT NULL,
  response_id TEXT NOT NULL,
  pull_id BIGINT NOT NULL,
  person TEXT,
  depth TEXT NOT NULL,
  arm_key TEXT NOT NULL,
  at BIGINT NOT NULL,
  until_pull BIGINT NOT NULL,
  PRIMARY KEY (source_id, response_id, until_pull)
) /* clustered */;
CREATE INDEX response_before_by_instant ON response_before (source_id, at);

-- Tells whether the key beside the store is the one its people were hashed with.
CREATE TABLE person_key (
  fingerprint TEXT PRIMARY KEY
);

-- One attempt to pull and decide; its id is the slot, so that a slot never runs twice.
CREATE TABLE run (
  id TEXT PRIMARY KEY,
  concept_id TEXT NOT NULL,
  due_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT,
  outcome TEXT,
  missed BIGINT NOT NULL
);
CREATE INDEX run_by_concept ON run (concept_id, due_at);

-- A changed policy opens the next generation, which counts from the day of the change.
CREATE TABLE generation (
  concept_id TEXT NOT NULL,
  number BIGINT NOT NULL,
  first_day TEXT NOT NULL,
  policy_hash TEXT NOT NULL,
  PRIMARY KEY (concept_id, number)
);

-- Verdicts: only ever added to. `body` is the whole scorecard as JSON.
CREATE TABLE scorecard (
  id BIGINT PRIMARY KEY,
  concept_id TEXT NOT NULL,
  generation BIGINT NOT NULL,
  as_of BIGINT NOT NULL,
  last_settled_day TEXT NOT NULL,
  verdict TEXT NOT NULL,
  policy_hash TEXT NOT NULL,
  data_hash TEXT NOT NULL,
  program_version TEXT NOT NULL,
  known_at BIGINT NOT NULL,
  replaces BIGINT,
  body TEXT NOT NULL
);
CREATE INDEX scorecard_by_concept ON scorecard (concept_id, id);

-- Messages on their way: one row per message and destination.
CREATE TABLE delivery (
  id TEXT PRIMARY KEY,
  scorecard_id BIGINT NOT NULL,
  destination TEXT NOT NULL,
  message TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  unanswered BIGINT NOT NULL, -- attempts begun since the last recorded answer
  not_before BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'given_up')),
  delivered_at BIGINT,
  last_error TEXT
);
CREATE INDEX delivery_by_state ON delivery (state, not_before);
