-- Facts told by a hook, by a poll, by both and by nobody.
INSERT INTO event (id, key, kind, subject, payload, state, due_at, created_at, hook_at, poll_at) VALUES
  ('18a', 'ledger-k1', 'branch.hinted', 'branch:github:1:refs/heads/main', '{}', 'done', '2026-11-01 10:00+00', '2026-11-01 10:00+00', '2026-11-01 10:00+00', NULL),
  ('18b', 'ledger-k2', 'branch.hinted', 'branch:github:1:refs/heads/x', '{}', 'done', '2026-11-01 10:00+00', '2026-11-01 10:00+00', NULL, '2026-11-01 10:00+00'),
  ('18c', 'ledger-k3', 'comment.told', 'pull-request:github:1#7', '{}', 'done', '2026-11-01 10:00+00', '2026-11-01 10:00+00', '2026-11-01 10:00+00', '2026-11-01 10:01+00'),
  ('18d', 'ledger-k4', 'repository.noted', 'repository:github:1', '{}', 'done', '2026-11-01 10:00+00', '2026-11-01 10:00+00', NULL, NULL);
