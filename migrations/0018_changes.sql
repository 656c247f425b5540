-- The verdicts that took the place of another one, for the time line of decisions: few among many.
CREATE INDEX scorecard_by_change ON scorecard (id) WHERE replaces IS NOT NULL;
