-- A file that flapped, and one that only passed.
INSERT INTO test_file (name) VALUES ('t/02-rakudo/flapping.t'), ('t/01-sanity/calm.t');
INSERT INTO test_job (name, platform) VALUES ('azure / Lin_MVM_reloc', 'Lin_MVM_reloc');
INSERT INTO test_reading (attempt_id, run_id, subject, job_id, source_set, at, passed, failed, unreadable)
  SELECT 'tst-t2', 'tst-r2', 'branch:github:100:refs/heads/main', job.id, repeat('b1', 32), '2026-11-02 10:00+00', ARRAY[file.id], 1, '[{"because":"truncated","line":12}]'
  FROM test_job AS job, test_file AS file WHERE job.name = 'azure / Lin_MVM_reloc' AND file.name = 't/01-sanity/calm.t';
INSERT INTO test_failure (reading_id, file_id, job_id, flapped, details)
  SELECT reading.id, file.id, reading.job_id, true, '{"line":7,"failedCount":1,"failed":[{"from":3,"to":3}],"todoPassed":[],"parseErrors":[]}'
  FROM test_reading AS reading, test_file AS file WHERE reading.attempt_id = 'tst-t2' AND file.name = 't/02-rakudo/flapping.t';
INSERT INTO test_week (file_id, job_id, week, passed, failed, flapped)
  SELECT file.id, job.id, '2026-11-02', 4, 1, 1 FROM test_file AS file, test_job AS job WHERE file.name = 't/02-rakudo/flapping.t' AND job.name = 'azure / Lin_MVM_reloc';
INSERT INTO test_tally (file_id, job_id, runs, failed, flapped, first_failed_at, last_failed_at, last_flapped_at, at_least)
  SELECT file_id, job_id, 5, 1, 1, '2026-11-02 10:00+00', '2026-11-02 10:00+00', '2026-11-02 10:00+00', 0.036 FROM test_week;
