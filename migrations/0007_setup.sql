-- What verdicts were decided with besides the data, each distinct content once. `hash` is SHA-256 of `body`, in hex.
CREATE TABLE setup (
  hash TEXT PRIMARY KEY,
  body TEXT NOT NULL
);
-- NULL of verdicts stored before setups were.
ALTER TABLE scorecard ADD COLUMN setup TEXT;
ALTER TABLE scorecard ADD COLUMN cause TEXT;
