import { z } from 'zod';
import { pressCommands, pressKey } from '../core/button.ts';
import type { NewEvent } from '../core/event.ts';
import { loginMessages } from '../core/messages-buttons.ts';
import { isFormToken } from '../core/session.ts';
import { runPath, withQuery } from './links.ts';
import type { Login } from './login.ts';
import { readForm, requireOwnOrigin, smallForm } from './own-form.ts';
import { aboutPress } from './pages/buttons.ts';
import { rateLimit } from './rate-limit.ts';
import type { Pressing } from './reader-buttons.ts';
import { NotFound, Refused, rowId, type Site, type SiteOptions } from './site.ts';

const MINUTE_MS = 60_000;
const PRESSES = 20;

const pressForm = z.object({
  command: z.enum(pressCommands),
  seen: z.string().regex(/^[\w-]{1,64}$/),
  form: z.string().max(200),
});

/** The buttons of a run's page. A press only inserts an event: what its person may do is asked of the forge afterwards. */
export function addButtons(site: Site, options: SiteOptions, login: Login | undefined): void {
  const { publicUrl, clock, press } = options;
  if (!login || !press) return;
  const mayPress = rateLimit(PRESSES, MINUTE_MS, clock);
  site.post('/runs/:id/press', smallForm, async (c) => {
    const runId = rowId(c.req.param('id'));
    requireOwnOrigin(c, publicUrl);
    const visitor = c.get('visitor');
    const again = withQuery('/login', { return: runPath(runId) });
    if (!visitor) return c.redirect(again, 303);
    const { command, seen, form } = await readForm(c, pressForm);
    if (!isFormToken(form, visitor.word, aboutPress(runId, command, seen)))
      throw new Refused(403, loginMessages.oldFormHeading, loginMessages.oldForm);
    const { user: actor } = visitor.session;
    if (!mayPress(actor.id)) throw new Refused(429, loginMessages.tooManyHeading, loginMessages.tooManyPresses);
    if (!(await login.confirm(visitor, c.req.raw.signal))) return c.redirect(again, 303);
    const pressing = await c.get('reader').pressing(runId, 1);
    if (!pressing) throw new NotFound(`There is no run ${runId}, or it was removed.`);
    await press(pressEvent(pressing, { runId, command, actor }, seen, clock.now()));
    // Without a fragment: a page that refreshes itself by <meta> would only be scrolled to it, and not loaded again.
    return c.redirect(runPath(runId), 303);
  });
}

type Pressed = Pick<Extract<NewEvent['event'], { kind: 'button.pressed' }>, 'runId' | 'command' | 'actor'>;

const pressEvent = ({ subject, repository }: Pressing, pressed: Pressed, seen: string, occurredAt: Date): NewEvent => ({
  key: pressKey(pressed.runId, pressed.command, pressed.actor, seen),
  event: { kind: 'button.pressed', subject, repository, ...pressed },
  occurredAt,
});
