-- A pull request from before its heads were remembered.
INSERT INTO pull_request (subject, repository_key, number, title, state, draft, head_ref, head_sha, fork, base_ref, base_sha, author_id, author_login, generation, updated_at) VALUES
  ('pull-request:github:100#7', 'github:100', 7, 'Fix it', 'open', false, 'fix', 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3', false, 'main', 'b94a8fe5ccb19ba61c4c0873d391e987982fbbd3', '5', 'lizmat', 1, '2026-11-01 10:00+00');
