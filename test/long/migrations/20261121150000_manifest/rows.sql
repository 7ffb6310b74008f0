-- A run from before manifests: its sources have neither pull requests nor merges.
INSERT INTO run (id, repository_key, repository, subject, kind, ref, sha, title, state, trigger, created_at) VALUES
  ('r1', 'github:100', 'rakudo/rakudo', 'branch:github:100:refs/heads/main', 'commit', 'refs/heads/main', 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 'Fix it', 'packing', 'push', '2026-11-01 10:00+00');
INSERT INTO source (id, run_id, repository_key, repository, sha, changed, why) VALUES
  ('s1', 'r1', 'github:100', 'rakudo/rakudo', 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', true, 'head of main');
