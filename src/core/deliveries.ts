/**
 * Hooks that the forge says it has sent, beside what the ledger has. State that moved is found again by polling, whatever
 * becomes of its hooks. Two things remain: a click on "Re-run", which leaves no state behind, is taken from the stored
 * payload; and what the forge could not deliver it is asked to send again, so that nothing stands in its list as failed
 * that was only unlucky.
 */
export interface Delivery {
  id: string;
  guid: string;
  deliveredAt: Date;
  ok: boolean;
  name: string;
  action?: string;
}

export interface DeliveryNews {
  /** Attempts whose payload is to be read and taken in. */
  read: Delivery[];
  /** Attempts to be made again. */
  resend: Delivery[];
  /** Everything before this is settled; ISO 8601. A burst that is settled is left behind, and not listed again and again. */
  until: string;
}

/** @param listed newest first, all attempts since the cursor.
 *  @param known guids that are in the ledger. */
export function deliveryNews(listed: Delivery[], known: Set<string>, now: Date): DeliveryNews {
  const attempts = Map.groupBy(listed, ({ guid }) => guid);
  const open = [...attempts.values()]
    .filter(([newest]) => !known.has(newest!.guid))
    .map((tries) => ({ newest: tries[0]!, tries }))
    .reverse();
  const toRead = open.filter(({ newest }) => leavesNoState(newest));
  const failed = open.filter(({ newest, tries }) => isWorthASecondTry(newest, tries, now));
  const read = toRead.slice(0, MOST_READ).map(({ newest }) => newest);
  const resend = failed.slice(0, MOST_RESENT).map(({ newest }) => newest);
  // What is over the limit, or may be asked for again, is met next time: the cursor stays before it.
  const later = [
    ...toRead.slice(MOST_READ),
    ...failed,
    ...open.filter(({ newest, tries }) => !newest.ok && tries.length < MOST_TRIES),
  ].map(({ newest }) => newest.deliveredAt.getTime());
  return { read, resend, until: new Date(Math.min(now.getTime(), ...later)).toISOString() };
}

/** A click on a button of a check: nothing that a later look could find. */
const leavesNoState = ({ name, action }: Delivery): boolean =>
  (name === 'check_run' && (action === 'rerequested' || action === 'requested_action')) ||
  (name === 'check_suite' && action === 'rerequested');

const isWorthASecondTry = (newest: Delivery, tries: Delivery[], now: Date): boolean =>
  !newest.ok && tries.length < MOST_TRIES && now.getTime() - newest.deliveredAt.getTime() >= RESEND_AFTER_MS;

/** Of one round. */
const MOST_READ = 50;
const MOST_RESENT = 20;
/** Of one hook, the first included. */
const MOST_TRIES = 3;
/** The forge lists an attempt a moment before its answer is known. */
const RESEND_AFTER_MS = 30_000;
