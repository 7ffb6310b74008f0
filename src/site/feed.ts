import { createHash } from 'node:crypto';
import { runsMessages } from '../core/messages-runs.ts';
import { printable } from './badge.ts';
import { fragment, type Html, stateOf } from './html.ts';
import { runPath, shortRef, withQuery } from './links.ts';
import type { RunRow } from './reader.ts';

/** RFC 4287. `base`: the site's address, without a slash at its end. */
export interface Feed {
  base: string;
  repository?: string;
  /** Newest first. */
  runs: RunRow[];
}

export function atomFeed({ base, repository, runs }: Feed): Html {
  const self = base + withQuery('/feed.atom', { repository });
  const updated = new Date(Math.max(0, ...runs.map((run) => endOf(run).getTime())));
  return fragment`<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
<id>${uuid(`feed:${repository?.toLowerCase() ?? ''}`)}</id>
<title>${printable(runsMessages.feed.title(repository))}</title>
<updated>${updated.toISOString()}</updated>
<author><name>RCB</name></author>
<link rel="self" type="application/atom+xml" href="${self}"/>
<link rel="alternate" type="text/html" href="${base}${withQuery('/runs', { repository })}"/>
${runs.map((run) => entry(base, run))}
</feed>
`;
}

const endOf = (run: RunRow): Date => run.finishedAt ?? run.createdAt;

function entry(base: string, run: RunRow): Html {
  const state = stateOf(run);
  const where = `${run.repository} ${shortRef(run.ref)}`;
  const summary = [run.why, runsMessages.preview(state, where, run.sha, run.jobs)].filter(Boolean).join('\n');
  return fragment`<entry>
<id>${uuid(`run:${run.id}`)}</id>
<title>${printable(runsMessages.feed.entry(run.repository, state, run.title || '(no title)'))}</title>
<published>${run.createdAt.toISOString()}</published>
<updated>${endOf(run).toISOString()}</updated>
${run.author ? fragment`<author><name>${printable(run.author)}</name></author>` : ''}
<link rel="alternate" type="text/html" href="${base}${runPath(run.id)}"/>
<summary>${printable(summary)}</summary>
</entry>`;
}

/** An id that stays the same wherever the site moves: a readers' feed program shows nothing twice. (RFC 9562, version 8.) */
function uuid(name: string): string {
  const hex = createHash('sha256').update(`rcb:${name}`).digest('hex');
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
