-- A failed attempt from before its tests were read: it stays without a reading.
INSERT INTO run (id, repository_key, repository, subject, kind, ref, sha, title, state, verdict, trigger, created_at, finished_at) VALUES
  ('tst-r1', 'github:100', 'rakudo/rakudo', 'branch:github:100:refs/heads/main', 'commit', 'refs/heads/main', 'c94a8fe5ccb19ba61c4c0873d391e987982fbbd3', 'Break it', 'finished', 'failed', 'push', '2026-11-02 10:00+00', '2026-11-02 10:10+00');
INSERT INTO build (id, run_id, backend, state, verdict, created_at) VALUES
  ('tst-b1', 'tst-r1', 'local', 'finished', 'failed', '2026-11-02 10:00+00');
INSERT INTO job (id, build_id, name, external_name, state, verdict) VALUES ('tst-j1', 'tst-b1', 'local / test', 'test', 'finished', 'failed');
INSERT INTO attempt (id, job_id, number, state, verdict, finished_at, log_bytes, log_lines) VALUES
  ('tst-t1', 'tst-j1', 1, 'finished', 'failed', '2026-11-02 10:09+00', 120, 3);
