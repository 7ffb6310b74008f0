-- A queue in use: an event and an effect in every state, retries, two lanes of which one rests.
INSERT INTO event (id, key, kind, subject, payload, state, due_at, retry_at, tries, lease_until, fence, worker, error, created_at, done_at) VALUES
  ('01a', 'github:d1', 'hook.noted', 'hook:label', '{"kind":"hook.noted","hook":"label"}', 'done', '2026-11-01 10:00+00', NULL, 1, NULL, 1, 'w1', NULL, '2026-11-01 10:00+00', '2026-11-01 10:00:01+00'),
  ('01b', 'github:d2', 'hook.noted', 'hook:label', '{"kind":"hook.noted","hook":"label"}', 'running', '2026-11-01 10:01+00', NULL, 1, '2026-11-01 10:02+00', 1, 'w1', NULL, '2026-11-01 10:01+00', NULL),
  ('01c', 'github:d3', 'hook.noted', 'hook:label', '{"kind":"hook.noted","hook":"label"}', 'pending', '2026-11-01 10:02+00', NULL, 0, NULL, 0, NULL, NULL, '2026-11-01 10:02+00', NULL),
  ('01d', 'github:d4', 'hook.noted', 'hook:star', '{"kind":"hook.noted","hook":"star"}', 'pending', '2026-11-01 10:03+00', '2026-11-01 10:30+00', 3, NULL, 3, 'w2', 'a run that is not stored yet', '2026-11-01 10:03+00', NULL),
  ('01e', 'github:d5', 'hook.unread', 'hook:push', '{"kind":"hook.unread","hook":"push","why":"no ref"}', 'parked', '2026-11-01 10:04+00', NULL, 1, NULL, 1, 'w2', 'no ref', '2026-11-01 10:04+00', NULL);
INSERT INTO sighting (id, event_id, source, delivery, at) VALUES
  ('02a', '01a', 'hook', 'd1', '2026-11-01 10:00+00'),
  ('02b', '01a', 'poll', NULL, '2026-11-01 10:01+00');
INSERT INTO lane (name, not_before_at, why) VALUES ('write:github:1', '2026-11-01 11:00+00', 'secondary rate limit');
INSERT INTO effect (id, kind, target, lane, payload, state, due_at, tries, lease_until, fence, worker, error, created_at, done_at) VALUES
  ('03a', 'check.report', 'check:c1', 'write:github:1', '{"kind":"check.report","runId":"r1","checkId":"c1","installation":"github:1"}', 'done', '2026-11-01 10:00+00', 1, NULL, 1, 'w1', NULL, '2026-11-01 10:00+00', '2026-11-01 10:00:02+00'),
  ('03b', 'check.report', 'check:c1', 'write:github:1', '{"kind":"check.report","runId":"r1","checkId":"c1","installation":"github:1"}', 'running', '2026-11-01 10:01+00', 1, '2026-11-01 10:02+00', 1, 'w1', NULL, '2026-11-01 10:01+00', NULL),
  ('03c', 'check.report', 'check:c1', 'write:github:1', '{"kind":"check.report","runId":"r1","checkId":"c1","installation":"github:1"}', 'pending', '2026-11-01 10:02+00', 0, NULL, 0, NULL, NULL, '2026-11-01 10:02+00', NULL),
  ('03d', 'check.report', 'check:c2', 'write:github:1', '{"kind":"check.report","runId":"r1","checkId":"c2","installation":"github:1"}', 'pending', '2026-11-01 10:02+00', 2, NULL, 2, 'w1', '502', '2026-11-01 10:02+00', NULL),
  ('03e', 'build.cancel', 'build:b1', 'build.cancel:build:b1', '{"kind":"build.cancel","runId":"r1","buildId":"b1"}', 'parked', '2026-11-01 10:02+00', 24, NULL, 24, 'w1', 'no such build', '2026-11-01 10:02+00', NULL);
