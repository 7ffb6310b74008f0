-- A command by a button of GitHub's, from before there were buttons on the site: it names no run.
INSERT INTO event (id, key, kind, subject, payload, state, due_at, created_at, done_at) VALUES
  ('01sessions1', 'command:pull-request:github:100#7:delivery-1', 'command.seen', 'pull-request:github:100#7',
   '{"kind": "command.seen", "subject": "pull-request:github:100#7", "repository": {"key": "github:100", "name": "raku/nqp", "installation": "github:9"}, "source": {"kind": "button", "at": "delivery-1"}, "commands": ["re-test"], "unknown": [], "actor": {"id": "5", "login": "lizmat"}, "permission": "write"}',
   'done', '2026-11-20 10:00+00', '2026-11-20 10:00+00', '2026-11-20 10:00+00');
