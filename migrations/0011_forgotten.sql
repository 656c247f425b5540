-- People who asked to be forgotten: a keyed hash that stands for nothing else, so that a later reading of the same act
-- does not bring them back.
CREATE TABLE forgotten (
  mark TEXT PRIMARY KEY
);
