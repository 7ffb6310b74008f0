import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ApplicationFunction, Probot, ProbotOctokit, Server } from 'probot';
import type { GitHubConfig } from './config/config.ts';
import type { Log } from './log.ts';

export type NodeHandler = (req: IncomingMessage, res: ServerResponse) => Promise<boolean>;

/** Where GitHub delivers hooks (Probot's own path). */
export const WEBHOOK_PATH = '/api/github/webhooks';

export interface AppOptions {
  github: GitHubConfig;
  host: string;
  /** 0: any free one. */
  port: number;
  /** Answers hooks; comes before everything else. */
  webhook: NodeHandler;
  /** Answers everything else. */
  site: NodeHandler;
  log: Log;
}

export interface App {
  port: number;
  /** Octokit as an installation. */
  asInstallation(id: string): Promise<InstanceType<typeof ProbotOctokit>>;
  /** Octokit as the App itself. */
  asApp(): Promise<InstanceType<typeof ProbotOctokit>>;
  stop(): Promise<void>;
}

/** RCB as a Probot App: Probot brings the server, the App's login and a client per installation. */
export async function startApp(options: AppOptions): Promise<App> {
  const { github, host, port, log } = options;
  class RcbProbot extends Probot {
    // Ours knows two secrets, stores broken payloads, and commits before it answers (see forge/github/webhook.ts).
    override async getNodeMiddleware() {
      return options.webhook;
    }
  }
  let probot: Probot | undefined;
  const server = new Server({
    host,
    // Probot takes 0 for "not given"; node takes the text as well.
    port: String(port) as unknown as number,
    log,
    webhookPath: WEBHOOK_PATH,
    enablePing: false,
    enableStaticFiles: false,
    enableNotFound: false,
    Probot: RcbProbot.defaults({
      appId: github.appId,
      privateKey: github.privateKey,
      secret: github.webhookSecrets[0]!,
      baseUrl: github.apiUrl,
      // The queue spaces writes, backs off and tries again, over all instances: what these plug-ins do in one process.
      // A function, because Probot gives its own throttle options after plain defaults.
      Octokit: ProbotOctokit.defaults((given: object) => ({
        ...given,
        throttle: { enabled: false },
        retry: { enabled: false },
      })) as never,
    }),
  });
  const register: ApplicationFunction = (app, { addHandler }) => {
    probot = app;
    addHandler(options.site);
  };
  await server.load(register);
  const http = await server.start();
  return {
    port: Number(server.port),
    asInstallation: (id) => probot!.auth(Number(id)),
    asApp: () => probot!.auth(),
    async stop() {
      const stopped = server.stop();
      http.closeIdleConnections();
      // A page that follows a live log would hold the server open.
      const timer = setTimeout(() => http.closeAllConnections(), 2_000);
      await stopped;
      clearTimeout(timer);
    },
  };
}
