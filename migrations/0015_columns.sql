-- The metrics that the rows of a reading had, by name, so that only those columns are read back; `none` where it had no
-- counts. NULL: from before, and any.
ALTER TABLE pull ADD COLUMN metrics TEXT;
