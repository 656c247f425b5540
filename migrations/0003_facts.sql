-- What the numbers of a pull mean, as its connector says, as JSON.
ALTER TABLE pull ADD COLUMN facts TEXT;
