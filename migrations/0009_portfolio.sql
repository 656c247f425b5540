-- Where a BUILD is withheld because several concepts are tested: its log e-value beyond ln(1/alpha). Else NULL.
ALTER TABLE scorecard ADD COLUMN excess DOUBLE PRECISION;
-- Last verdict on any concept that the verdict knew of; 0 where it asked for none.
ALTER TABLE scorecard ADD COLUMN last_scorecard BIGINT NOT NULL DEFAULT 0;
