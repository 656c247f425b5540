-- Where several processes share a store on a server: each by a number that is given once, its name for people, and until when
-- its lease runs, by the server's clock, in UTC milliseconds. In a store in a file these stay empty.
CREATE TABLE node (
  fence BIGINT PRIMARY KEY,
  name TEXT NOT NULL,
  until BIGINT NOT NULL
);
-- Which process took a run; NULL of runs in a file.
ALTER TABLE run ADD COLUMN fence BIGINT;
-- What only one process may have, which one has it, and a number for each time it was taken. Of a process that is gone it is
-- anybody's.
CREATE TABLE lease (
  name TEXT PRIMARY KEY,
  node BIGINT NOT NULL,
  fence BIGINT NOT NULL
);
