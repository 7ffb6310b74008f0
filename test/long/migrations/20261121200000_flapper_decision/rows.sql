-- A run from before flappers were judged.
INSERT INTO run (id, repository_key, repository, subject, kind, ref, sha, title, state, verdict, trigger, created_at) VALUES
  ('r-20-flapper', 'github:100', 'rakudo/rakudo', 'branch:github:100:refs/heads/main', 'commit', 'refs/heads/main', 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 'Fix it', 'finished', 'failed', 'push', '2026-11-01 10:00+00');
