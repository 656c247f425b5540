-- The runs that did not end with a verdict, for the page that tells of them: few among many.
CREATE INDEX run_by_failure ON run (due_at) WHERE outcome <> '{"result":"decided"}';
