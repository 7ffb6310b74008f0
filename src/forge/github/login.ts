import { deleteToken, exchangeWebFlowCode, refreshToken } from '@octokit/oauth-methods';
import { Octokit } from '@octokit/rest';
import { z } from 'zod';
import { type ForgeLogin, LoginError, type UserTokens } from '../forge-login.ts';
import { id, login } from './fields.ts';
import { type Ask, readableThrough } from './login-repositories.ts';

/**
 * The user authorisation of a GitHub App (docs.github.com, "Generating a user access token for a GitHub App"), with PKCE,
 * which oauth-methods does not know: its parameters are added to the request.
 */
export interface GitHubLoginOptions {
  clientId: string;
  clientSecret: string;
  /** `https://api.github.com` or `https://HOST/api/v3`. */
  apiUrl: string;
  /** `https://github.com` or `https://HOST`. */
  htmlUrl: string;
  timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** However many pages a question has, a page of ours waits for its answer. */
const MOST_WAITS = 3;

export function openGitHubLogin(options: GitHubLoginOptions): ForgeLogin {
  const { clientId, clientSecret, apiUrl, htmlUrl, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const app = { clientType: 'github-app', clientId, clientSecret } as const;
  const { request } = new Octokit({ baseUrl: apiUrl, log: silent });
  const asked = (signal: AbortSignal, parameters: Record<string, string> = {}) =>
    request.defaults({
      ...parameters,
      request: { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), redirect: 'manual' },
    });

  return {
    authorizeUrl({ state, challenge, redirectUrl }) {
      const url = new URL(`${htmlUrl}/login/oauth/authorize`);
      url.search = new URLSearchParams({
        client_id: clientId,
        redirect_uri: redirectUrl,
        state,
        code_challenge: challenge,
        code_challenge_method: 'S256',
        allow_signup: 'false',
      }).toString();
      return url.href;
    },
    exchange: ({ code, verifier, redirectUrl }, signal) =>
      translated('the exchange of a code', async () => {
        const given = asked(signal, { code_verifier: verifier });
        return tokensOf(await exchangeWebFlowCode({ ...app, code, redirectUrl, request: given }));
      }),
    refresh: (tokens, signal) =>
      translated('the renewal of a token', async () => {
        if (tokens.refresh === undefined) throw new LoginError('refused', 'The token has ended, and none renews it');
        return tokensOf(await refreshToken({ ...app, refreshToken: tokens.refresh, request: asked(signal) }));
      }),
    userOf: ({ access }, signal) =>
      translated('the question whose a token is', async () => {
        const answer = await asked(signal)('GET /user', { headers: { authorization: `bearer ${access}` } });
        return userAnswer.parse(answer.data);
      }),
    repositoriesOf: ({ access }, installations, signal) =>
      translated('the question what somebody may read', async () => {
        const whole = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs * MOST_WAITS)]);
        const headers = { authorization: `bearer ${access}` };
        const ask: Ask = (route, parameters) => asked(whole)(route, { ...parameters, headers });
        const keys: string[] = [];
        // One after the other, as GitHub wishes it (docs.github.com, "Best practices for using the REST API").
        for (const installation of new Set(installations)) keys.push(...(await readableThrough(installation, ask)));
        return keys;
      }),
    revoke: ({ access }, signal) =>
      translated('giving a token back', async () => {
        await deleteToken({ ...app, token: access, request: asked(signal) }).catch((error) => {
          if ((error as { status?: number }).status !== 404) throw error;
        });
      }),
  };
}

const userAnswer = z.object({ id, login });
const token = z.string().min(1).max(1_000);
const authenticationAnswer = z.object({
  token,
  expiresAt: z.iso.datetime().optional(),
  refreshToken: token.optional(),
});

function tokensOf({ authentication }: { authentication: object }): UserTokens {
  const { token: access, expiresAt, refreshToken: refresh } = authenticationAnswer.parse(authentication);
  return { access, ...(expiresAt && { accessUntil: expiresAt }), ...(refresh && { refresh }) };
}

/** GitHub answers with 200 and one of these words, which oauth-methods turns into a 400 (docs.github.com,
 *  "Troubleshooting OAuth app access token request errors"). */
const SETUP = ['incorrect_client_credentials', 'redirect_uri_mismatch', 'unsupported_grant_type'];

async function translated<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LoginError) throw error;
    throw loginErrorOf(error, what);
  }
}

function loginErrorOf(error: unknown, what: string): LoginError {
  if (error instanceof z.ZodError)
    return new LoginError('away', `GitHub's answer to ${what} is not as published`, { cause: error });
  const { status, response } = error as { status?: number; response?: { data?: { error?: unknown } } };
  // Of a server that fails, or of a proxy before it, no word says anything about tokens.
  const word = status !== undefined && status < 500 ? response?.data?.error : undefined;
  // What GitHub says may hold what it was asked with: only its word, and the status, are told.
  const said = typeof word === 'string' && /^\w{1,60}$/.test(word) ? word : status;
  if (typeof word === 'string' && SETUP.includes(word))
    return new LoginError('setup', `GitHub refused ${what}: ${said}`);
  if (word !== undefined || status === 401 || status === 404 || status === 422)
    return new LoginError('refused', `GitHub refused ${what}: ${said}`);
  const why = status === undefined || status === 500 ? 'it could not be reached, or gave no usable answer' : said;
  return new LoginError('away', `GitHub did not answer ${what}: ${why}`);
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };
