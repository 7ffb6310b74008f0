-- Runs that are over and one that goes on; words of every kind, none, and very long ones.
INSERT INTO run (id, repository_key, repository, subject, kind, number, ref, sha, title, author_login, state, verdict, trigger, created_at, finished_at) VALUES
  ('22a', 'github:100', 'rakudo/rakudo', 'pull-request:github:100#9', 'pull-request', 9, 'fix/hash-map', 'b94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 'Fix <b>it</b> & ''quote'' \ über 日本', 'lizmat', 'finished', 'failed', 'push', '2026-11-01 10:00+00', '2026-11-01 10:30+00'),
  ('22b', 'github:100', 'rakudo/rakudo', 'branch:github:100:refs/heads/main', 'commit', NULL, 'refs/heads/main', 'c94a8fe5ccb19ba61c4c0873d391e987982fbbd3', '', NULL, 'packing', NULL, 'push', '2026-11-01 11:00+00', NULL),
  ('22c', 'github:100', 'rakudo/rakudo', 'branch:github:100:refs/heads/long', 'commit', NULL, repeat('long-', 60), 'd94a8fe5ccb19ba61c4c0873d391e987982fbbd3', repeat('über', 10000), 'x', 'finished', 'error', 'push', '2026-11-01 12:00+00', '2026-11-01 12:30+00');
INSERT INTO build (id, run_id, backend, state, created_at) VALUES ('22d', '22a', 'local', 'finished', '2026-11-01 10:00+00');
