-- The record of a job and of what it tested, from before records had owners: all of it is public.
INSERT INTO test_job (name, platform) VALUES ('local / private-record', 'private-record');
INSERT INTO test_reading (attempt_id, run_id, subject, job_id, source_set, at, passed, failed)
  SELECT 'private-record-' || subject.number, 'private-record-r1', subject.name, job.id, repeat('c3', 32), '2026-11-03 10:00+00', '{}', 0
  FROM test_job AS job, (VALUES (1, 'pull-request:github:100#7'), (2, 'branch:git:/srv/a:b.git:refs/heads/main'), (3, 'of nothing')) AS subject (number, name)
  WHERE job.name = 'local / private-record';
