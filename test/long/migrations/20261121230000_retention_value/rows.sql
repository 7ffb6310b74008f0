-- A run from before anybody could keep one.
INSERT INTO run (id, repository_key, repository, subject, kind, ref, sha, title, state, verdict, trigger, created_at, finished_at) VALUES
  ('rkeep-r1', 'github:100', 'rakudo/rakudo', 'branch:github:100:refs/heads/main', 'commit', 'refs/heads/main', 'b94a8fe5ccb19ba61c4c0873d391e987982fbbd4', 'Fix it', 'finished', 'failed', 'push', '2026-11-01 10:00+00', '2026-11-01 10:10+00');
