-- A run from before retention: its archive, log and artifact are there, and nothing says that they were removed.
INSERT INTO run (id, repository_key, repository, subject, kind, ref, sha, title, state, verdict, trigger, created_at, finished_at) VALUES
  ('ret-r1', 'github:100', 'rakudo/rakudo', 'branch:github:100:refs/heads/main', 'commit', 'refs/heads/main', 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 'Fix it', 'finished', 'passed', 'push', '2026-11-01 10:00+00', '2026-11-01 10:10+00');
INSERT INTO source (id, run_id, repository_key, repository, sha, changed, why, archive_sha256, archive_size, tar_sha256) VALUES
  ('ret-s1', 'ret-r1', 'github:100', 'rakudo/rakudo', 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', true, 'head of main', repeat('a1', 32), 6104233, repeat('a2', 32));
INSERT INTO build (id, run_id, backend, state, verdict, created_at) VALUES
  ('ret-b1', 'ret-r1', 'local', 'finished', 'passed', '2026-11-01 10:00+00');
INSERT INTO job (id, build_id, name, external_name, state, verdict) VALUES ('ret-j1', 'ret-b1', 'local / test', 'test', 'finished', 'passed');
INSERT INTO attempt (id, job_id, number, state, verdict, finished_at, log_bytes, log_lines, log_sha256) VALUES
  ('ret-t1', 'ret-j1', 1, 'finished', 'passed', '2026-11-01 10:09+00', 120, 3, repeat('a3', 32));
INSERT INTO artifact (id, attempt_id, name, size, sha256) VALUES ('ret-x1', 'ret-t1', 'report.xml', 12, repeat('a4', 32));
INSERT INTO event (id, key, kind, subject, payload, state, due_at, created_at, done_at, raw, raw_sha256) VALUES
  ('ret-e1', 'github:ret-d1', 'hook.noted', 'hook:label', '{"kind":"hook.noted","hook":"label"}', 'done', '2026-11-01 10:00+00', '2026-11-01 10:00+00', '2026-11-01 10:00:01+00', NULL, NULL),
  ('ret-e2', 'github:ret-d5', 'hook.unread', 'hook:push', '{"kind":"hook.unread","hook":"push","why":"no ref"}', 'parked', '2026-11-01 10:04+00', '2026-11-01 10:04+00', NULL, NULL, repeat('a5', 32));
