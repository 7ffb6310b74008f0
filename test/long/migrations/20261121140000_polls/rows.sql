-- A bot that has watched a repository: what polls will look at from now on.
INSERT INTO installation (key, account, account_id, state, served, updated_at) VALUES
  ('github:1', 'rakudo', '10', 'active', true, '2026-11-01 10:00+00');
INSERT INTO repository (key, name, default_branch, private, state, installation, updated_at) VALUES
  ('github:100', 'rakudo/rakudo', 'main', false, 'watched', 'github:1', '2026-11-01 10:00+00');
INSERT INTO branch (subject, repository_key, ref, sha, generation, told_by, updated_at) VALUES
  ('branch:github:100:refs/heads/main', 'github:100', 'refs/heads/main', 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 1, 'd1', '2026-11-01 10:00+00');
