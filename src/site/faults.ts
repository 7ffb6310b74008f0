import { ArchiveError } from '../archive/archive.ts';
import { errorPage } from './pages/error.ts';
import { BadQuery } from './query.ts';
import {
  NotFound,
  type PageStatus,
  Refused,
  respond,
  type Show,
  type Site,
  type SiteContext,
  type SiteOptions,
} from './site.ts';
import { TooBusy } from './turns.ts';

/** Every fault as words for people: what happened, and what they can do. The cause goes to `onError`, never on a page. */
interface Fault {
  status: Exclude<PageStatus, 200>;
  heading: string;
  words: string;
}

export function addErrors(site: Site, options: SiteOptions, show: Show): void {
  const answer = (c: SiteContext, fault: Fault) =>
    c.req.path.startsWith('/api/')
      ? c.json({ error: fault.words }, fault.status)
      : respond(c, errorPage(show(c), fault.heading, fault.words, fault.status === 404), fault.status);
  site.notFound((c) => answer(c, { status: 404, heading: 'Not found', words: 'There is no page at this address.' }));
  site.onError((error, c) => {
    const fault = faultOf(error);
    if (fault.status >= 500 && !(error instanceof Refused)) options.onError?.(error, c.req.path);
    return answer(c, fault);
  });
}

function faultOf(error: unknown): Fault {
  if (error instanceof Refused) return { status: error.status, heading: error.heading, words: error.message };
  if (error instanceof BadQuery)
    return { status: 400, heading: 'The address says something odd', words: `${error.message}.` };
  if (error instanceof NotFound) {
    return error.isGone
      ? { status: 410, heading: 'Gone', words: error.message }
      : { status: 404, heading: 'Not found', words: error.message };
  }
  if (error instanceof TooBusy) return { status: 503, heading: 'Too busy', words: error.message };
  if (error instanceof ArchiveError) return archiveFault(error);
  return {
    status: 500,
    heading: 'Something went wrong',
    words: 'RCB could not read what this page shows. It was logged; runs go on regardless. Try again in a minute.',
  };
}

function archiveFault(error: ArchiveError): Fault {
  if (error.kind === 'missing') return { status: 410, heading: 'Gone', words: 'The archive no longer has this file.' };
  if (error.retry)
    return {
      status: 503,
      heading: 'The archive is busy',
      words: 'The archive could not be read just now. Try again in a minute.',
    };
  return {
    status: 500,
    heading: 'The archive is damaged here',
    words: 'What is stored does not match its checksum, so it is not shown. The operator was told.',
  };
}
