import { ledgerMessages } from '../../core/messages-ledger.ts';
import { fragment, type Html } from '../html.ts';
import { shellWord } from '../links.ts';
import type { FactRow } from '../reader.ts';

/** What a person types to start again what was given up: to be copied as it is. */

/** One click selects it whole; the script adds a button where the browser lets it. */
const command = (verb: 'retry' | 'replay', name: string): Html =>
  fragment`<code class="command" data-copy>npx rcb ${verb} ${shellWord(name)}</code>`;

const advice = (words: string, line: Html): Html =>
  fragment`<div class="advice"><span class="quiet">${words}</span> ${line}</div>`;

export const retryEffect = (id: string): Html => advice(ledgerMessages.retryEffect, command('retry', id));

/** How to go on with a parked fact. Of a hook that was not understood, another try as it is makes nothing. */
export const restartFact = ({ kind, key }: Pick<FactRow, 'kind' | 'key'>): Html =>
  kind === 'hook.unread'
    ? fragment`${advice(ledgerMessages.replayUnread, command('replay', key))}${advice(ledgerMessages.settleUnread, command('retry', key))}`
    : advice(ledgerMessages.retryFact, command('retry', key));

export const replayFact = (key: string): Html => advice(ledgerMessages.replay, command('replay', key));
