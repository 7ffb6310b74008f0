import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { azureMessages } from '../../core/messages-azure.ts';
import { BackendError } from '../backend.ts';

/** What requests are signed with: a personal access token, or a token of Microsoft Entra. */
export interface Token {
  scheme: 'pat' | 'bearer';
  value: string;
}

/**
 * `pat`: owned by a person, at most a year old. `entra`: a service principal that was added to the organisation
 * (learn.microsoft.com, "Use Microsoft Entra service principals"); its tokens live about an hour.
 */
export type AzureCredentials =
  | { kind: 'pat'; token: string }
  | {
      kind: 'entra';
      tenant: string;
      clientId: string;
      clientSecret: string;
      /** Default `https://login.microsoftonline.com`. */
      authority?: string;
    };

export interface TokenSource {
  current(signal: AbortSignal): Promise<Token>;
  /** Azure refused this token. True: another one can be had, so ask again. */
  refused(token: Token): boolean;
  /** Everything that must not be shown. */
  secrets(): string[];
}

export function tokenSource(credentials: AzureCredentials, clock: Clock): TokenSource {
  if (credentials.kind === 'entra') return new EntraTokens(credentials, clock);
  const token: Token = { scheme: 'pat', value: credentials.token };
  return { current: async () => token, refused: () => false, secrets: () => [credentials.token] };
}

/** Azure DevOps' own resource id, the same for everybody. */
const SCOPE = '499b84ac-1321-427f-aa17-267ca6975798/.default';
const EARLY_MS = 5 * 60_000;
const ANSWER_MS = 30_000;
const MOST_ANSWER_BYTES = 64 * 1024;

const tokenAnswer = z.object({ access_token: z.string().min(1).max(20_000), expires_in: z.coerce.number().positive() });
const tokenRefusal = z.object({ error: z.string().max(200) });

/** Client credentials (RFC 6749, 4.4): one request at a time, and a new token some minutes before the old one ends. */
class EntraTokens implements TokenSource {
  readonly #credentials: Extract<AzureCredentials, { kind: 'entra' }>;
  readonly #clock: Clock;
  #held: { token: Token; renewAt: number; given: number } | undefined;
  #asking: Promise<Token> | undefined;

  constructor(credentials: Extract<AzureCredentials, { kind: 'entra' }>, clock: Clock) {
    this.#credentials = credentials;
    this.#clock = clock;
  }

  async current(signal: AbortSignal): Promise<Token> {
    signal.throwIfAborted();
    if (this.#held && this.#clock.now().getTime() < this.#held.renewAt) return this.#held.token;
    // Shared by all who wait: not ended by one of them giving up.
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return await this.#asking;
  }

  /** A token that was refused as soon as it was given is no better the second time. */
  refused(token: Token): boolean {
    if (this.#held?.token !== token) return true;
    const isFresh = this.#clock.now().getTime() - this.#held.given < ANSWER_MS;
    this.#held = undefined;
    return !isFresh;
  }

  secrets(): string[] {
    return [this.#credentials.clientSecret, ...(this.#held ? [this.#held.token.value] : [])];
  }

  async #ask(): Promise<Token> {
    const { tenant, clientId, clientSecret, authority = 'https://login.microsoftonline.com' } = this.#credentials;
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret, scope: SCOPE };
    const { status, text } = await fetch(`${authority}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams(form),
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_MS),
    }).then(
      async (answer) => ({ status: answer.status, text: await boundedText(answer) }),
      (error: Error) => {
        const why = error.name === 'TimeoutError' ? azureMessages.slow(ANSWER_MS / 1000) : 'it could not be reached';
        throw new BackendError('unreachable', azureMessages.noToken(why), { cause: error });
      },
    );
    const answer = tokenAnswer.safeParse(json(text));
    if (status !== 200 || !answer.success) throw refusal(status, text);
    const given = this.#clock.now().getTime();
    const lifeMs = answer.data.expires_in * 1_000;
    const renewAt = given + Math.max(lifeMs / 2, lifeMs - EARLY_MS);
    this.#held = { token: { scheme: 'bearer', value: answer.data.access_token }, renewAt, given };
    return this.#held.token;
  }
}

/** The short word only (`invalid_client`): Entra's descriptions quote what was sent. */
function refusal(status: number, text: string): BackendError {
  const word = tokenRefusal.safeParse(json(text)).data?.error ?? `it answered ${status}`;
  const isTheirs = status >= 500 || status === 429 || status === 200;
  const message = azureMessages.noToken(word.replace(/[^\w. -]/g, '?'));
  return new BackendError(isTheirs ? 'unreachable' : 'misconfigured', message, { retry: true });
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function boundedText(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > MOST_ANSWER_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
