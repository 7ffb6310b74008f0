import type { BackendConfig, Config } from './config.ts';
import type { Mistake } from './mistake.ts';

type Needed = Pick<Config, 'github' | 'git' | 'owners' | 'backends' | 'credentials' | 'configFile'>;

/**
 * What a configuration without mistakes still lacks before `npm start` could do anything useful: a source of changes,
 * and the credentials of its backends. Empty: start. `check-config` does not ask for these.
 */
export function requireSomethingToDo(config: Needed): Mistake[] {
  return [...requireSource(config), ...config.backends.flatMap((backend) => requireCredentials(backend, config))];
}

function requireSource({ github, git, owners, configFile }: Needed): Mistake[] {
  if (!github && git.length === 0) {
    return [
      {
        file: 'environment',
        key: 'APP_ID',
        found: 'no GitHub App and no git repositories to watch',
        expected: 'APP_ID, PRIVATE_KEY (or PRIVATE_KEY_PATH) and WEBHOOK_SECRET, or paths under git: in rcb.yaml',
        hint: 'To try the bot without an account: npm run demo.',
      },
    ];
  }
  if (github && owners.length === 0) {
    return [
      {
        file: configFile ?? 'rcb.yaml',
        key: 'owners',
        found: 'nothing',
        expected: 'the GitHub accounts whose installations are served',
        hint: 'Without them no installation would be.',
      },
    ];
  }
  return [];
}

function requireCredentials(backend: BackendConfig, { credentials }: Needed): Mistake[] {
  const missing = (key: string, what: string): Mistake[] => [
    { file: 'environment', key, found: 'nothing', expected: `${what} for the backend "${backend.name}"` },
  ];
  const { token, servicePrincipal } = credentials.azure;
  if (backend.kind === 'azure' && !token && !servicePrincipal) {
    return missing('AZURE_DEVOPS_TOKEN', 'a token, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET,');
  }
  if (backend.kind === 'obs' && !credentials.obs.user)
    return missing('OBS_USER', 'a user, and OBS_PASSWORD or OBS_KEY_FILE,');
  return [];
}
