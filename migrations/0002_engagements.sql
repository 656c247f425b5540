-- Reactions to an ad short of the landing page.
ALTER TABLE observation ADD COLUMN engagements BIGINT;
ALTER TABLE observation_before ADD COLUMN engagements BIGINT;
