import type { HookStatus } from '../backends/azure/subscriptions.ts';
import { systemClock } from '../clock.ts';
import type { AzureBackendConfig, Config } from '../config/config.ts';
import { openAzure } from '../open-backends.ts';

/** `rcb azure hook status|install`: Azure's service hooks to this bot, for each back-end of kind azure. */

export interface HookCommand {
  do: 'status' | 'install';
  config: Config;
  /** Only this back-end; absent: all of kind azure. */
  backend?: string;
  signal: AbortSignal;
}

/** Lines for people, and whether every hook works. Throws what keeps it from being known. */
export async function azureHooks({ do: what, config, backend, signal }: HookCommand) {
  const wanted = config.backends.filter((each) => each.kind === 'azure' && (!backend || each.name === backend));
  if (wanted.length === 0) throw new Error(words.noBackend(backend));
  const { hookPassword } = config.credentials.azure;
  if (what === 'install' && !hookPassword) throw new Error(words.noPassword);
  if (config.server.isPublicUrlGuessed) throw new Error(words.noPublicUrl);
  const url = `${config.server.publicUrl}/hooks/azure`;
  const said: string[] = [];
  let ok = true;
  for (const each of wanted as AzureBackendConfig[]) {
    const opened = await openAzure(each, config, { clock: systemClock, random: Math.random });
    try {
      const to = { url, password: hookPassword ?? '' };
      const hooks = what === 'install' ? await opened.ensureHooks(to, signal) : await opened.hooks(url, signal);
      said.push(words.heading(each, url), ...hooks.map(lineOf));
      ok &&= hooks.every((hook) => hook.ok);
    } finally {
      opened.close();
    }
  }
  if (!ok) said.push(words.notAll(what));
  return { said, ok };
}

const lineOf = ({ eventType, ok, note }: HookStatus): string => `  ${ok ? 'ok     ' : 'PROBLEM'} ${eventType}: ${note}`;

const words = {
  noBackend: (name?: string) =>
    name ? `rcb.yaml names no backend "${name}" of kind azure.` : 'rcb.yaml names no backend of kind azure.',
  noPassword: 'AZURE_HOOK_PASSWORD is not set: choose a long random one. Azure sends it, and the bot compares it.',
  noPublicUrl: 'RCB_PUBLIC_URL is not set: Azure has to know where the bot is.',
  heading: ({ name, project, url }: AzureBackendConfig, to: string) => `${name}: hooks of ${url}/${project} to ${to}`,
  notAll: (what: string) =>
    what === 'status'
      ? 'What is missing is made by "rcb azure hook install". Until then builds are found by polling.'
      : 'What has a problem was left as it is: look at Project settings, Service hooks on Azure.',
};
