-- What each process on a server works with (a hash of the program's version and of what it is told to test), and since when, in
-- UTC milliseconds: those that differ must not judge side by side. In a store in a file these stay empty.
ALTER TABLE node ADD COLUMN works_with TEXT NOT NULL DEFAULT '';
ALTER TABLE node ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
