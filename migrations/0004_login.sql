-- What is kept of each login, sealed with a key that is not in here. `revision` counts its changes.
CREATE TABLE login (
  login_id TEXT PRIMARY KEY,
  revision BIGINT NOT NULL,
  sealed TEXT NOT NULL
);
