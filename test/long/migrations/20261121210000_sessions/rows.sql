-- Somebody who is logged in, and a button that was pressed and refused.
INSERT INTO session (id, user_id, login, tokens, created_at, used_at) VALUES
  ('9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', '5', 'lizmat', 'v1.0a1b2c3d.AAAA.BBBB', '2026-11-20 10:00+00', '2026-11-20 10:05+00');
INSERT INTO press (key, run_id, command, actor_id, actor, state, why, at) VALUES
  ('button:01run:5:re-test:first', '01run', 're-test', '5', 'lizmat', 'refused', 'This needs write permission to the repository.', '2026-11-20 10:05+00');
