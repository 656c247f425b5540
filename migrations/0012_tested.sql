-- Every concept that was ever tested, also where nothing was decided on it yet. None is ever taken out.
CREATE TABLE tested (
  concept_id TEXT PRIMARY KEY
) /* clustered */;
INSERT INTO tested (concept_id) SELECT DISTINCT concept_id FROM generation;
-- How many those were, the verdict's own among them, where it asked for the others; else 0.
ALTER TABLE scorecard ADD COLUMN tested BIGINT NOT NULL DEFAULT 0;
UPDATE scorecard SET tested = 1 + (
  SELECT COUNT(*) FROM tested AS other WHERE other.concept_id <> scorecard.concept_id AND EXISTS (
    SELECT 1 FROM scorecard AS earlier WHERE earlier.concept_id = other.concept_id
    AND earlier.id <= scorecard.last_scorecard AND earlier.as_of < scorecard.as_of
  )
) WHERE last_scorecard > 0;
-- `excess` is from now on also that of a BUILD on the day it was given. Of those given before, all that is known is that it
-- was enough for one concept alone.
UPDATE scorecard SET excess = 0 WHERE verdict = 'BUILD';
